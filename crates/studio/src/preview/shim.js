// Runs before anything of the previewed page. The frame has an origin of its own kind, in which
// storage and cookies throw; here they live in memory. Console and errors are told to the app.
(() => {
  'use strict';
  const NOTE = "{note}";
  const MISSING = "{missing}";
  const target = window.parent;
  const MOST_A_SECOND = 100;
  let sent = 0;
  let second = 0;

  const tell = (message) => {
    if (target === window) return;
    const now = Math.floor(Date.now() / 1000);
    if (now !== second) { second = now; sent = 0; }
    sent += 1;
    if (sent > MOST_A_SECOND) return;
    try { target.postMessage({ source: 'autocrea-preview', ...message }, '*'); } catch { /* not cloneable */ }
  };

  const shown = (value) => {
    if (typeof value === 'string') return value;
    if (value instanceof Error) return value.stack && value.stack.includes(value.message)
      ? value.stack : `${value.name}: ${value.message}`;
    if (typeof value === 'function' || typeof value === 'symbol' || typeof value === 'bigint') return String(value);
    if (value instanceof Node) return value.outerHTML ?? value.nodeName;
    const seen = new Set();
    try {
      const text = JSON.stringify(value, (_, inner) => {
        if (typeof inner === 'bigint') return `${inner}n`;
        if (typeof inner === 'object' && inner !== null) {
          if (seen.has(inner)) return '[…]';
          seen.add(inner);
        }
        return inner;
      });
      return text === undefined ? String(value) : text;
    } catch { return String(value); }
  };

  for (const level of ['debug', 'log', 'info', 'warn', 'error']) {
    const original = console[level].bind(console);
    console[level] = (...values) => {
      original(...values);
      tell({ kind: 'console', level, text: values.map(shown).join(' ').slice(0, 10000) });
    };
  }
  // WebKit hides the errors of a frame's classic scripts from a frame without an origin ("Script
  // error."), unless the script comes from a blob. There, each is turned into one as the parser
  // meets it, before it runs; errors are put back to the file and line that they come from.
  const HERE = `${location.protocol}//${location.host}/`;
  const places = new Map();
  const read = (url) => {
    try {
      const request = new XMLHttpRequest();
      request.open('GET', url, false);
      request.send();
      return request.status === 200 ? request.responseText : null;
    } catch { return null; }
  };
  const explain = (script) => {
    const classic = ['', 'text/javascript', 'application/javascript'].includes(script.type);
    if (!classic || script.integrity || (script.src && !script.src.startsWith(HERE))) return;
    const file = script.src || location.href;
    const text = script.src ? read(file) : script.textContent;
    if (!text || /\bimport\s*\(|currentScript/.test(text)) return;
    const url = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    places.set(url, { file, inline: script.src ? '' : text });
    script.src = url;
  };
  if (!/Chrom/.test(navigator.userAgent)) {
    new MutationObserver((records) => {
      for (const record of records) {
        for (const node of record.addedNodes) if (node instanceof HTMLScriptElement) explain(node);
      }
    }).observe(document, { childList: true, subtree: true });
  }
  const short = (file) => (file.startsWith(HERE) ? file.slice(HERE.length).split(/[?#]/)[0] : file);
  const placed = (file, line) => {
    const place = places.get(file);
    if (!place) return { file: short(file), line };
    const page = place.inline ? (read(location.href) ?? '').replace(/\r\n?/g, '\n') : '';
    const before = place.inline ? Math.max(0, page.indexOf(place.inline)) : 0;
    return { file: short(place.file), line: line && line + page.slice(0, before).split('\n').length - 1 };
  };
  const trace = (error) => {
    let text = `${(error && error.stack) || ''}`.slice(0, 10000);
    for (const [url, place] of places) text = text.replaceAll(url, short(place.file));
    return text.replaceAll(HERE, '');
  };

  addEventListener('error', (event) => {
    if (!(event instanceof ErrorEvent)) {
      const from = event.target && (event.target.src || event.target.href);
      if (from) tell({ kind: 'error', level: 'error', text: MISSING.replace('{file}', short(`${from}`).slice(0, 300)) });
      return;
    }
    tell({
      kind: 'error', level: 'error', text: `${event.message}`, ...placed(event.filename || '', event.lineno || 0),
      column: event.colno || 0, stack: trace(event.error),
    });
  }, true);
  addEventListener('unhandledrejection', (event) => {
    const reason = event.reason;
    tell({
      kind: 'error', level: 'error',
      text: reason instanceof Error ? `${reason.name}: ${reason.message}` : shown(reason),
      stack: trace(reason),
    });
  });

  let noted = false;
  const note = () => {
    if (noted) return;
    noted = true;
    console.info(NOTE);
  };

  const storage = () => {
    const items = new Map();
    const methods = {
      getItem: (key) => items.get(`${key}`) ?? null,
      setItem: (key, value) => { note(); items.set(`${key}`, `${value}`); },
      removeItem: (key) => { items.delete(`${key}`); },
      clear: () => { items.clear(); },
      key: (index) => [...items.keys()][Number(index) || 0] ?? null,
    };
    const own = (key) => typeof key === 'string' && !(key in methods) && key !== 'length' && items.has(key);
    return new Proxy(Object.create(null), {
      get: (_, key) => {
        if (key === 'length') return items.size;
        if (key in methods) return methods[key];
        if (key === Symbol.toStringTag) return 'Storage';
        return typeof key === 'string' ? items.get(key) : undefined;
      },
      set: (_, key, value) => { methods.setItem(key, value); return true; },
      has: (_, key) => key === 'length' || key in methods || items.has(key),
      deleteProperty: (_, key) => { items.delete(key); return true; },
      ownKeys: () => [...items.keys()].filter(own),
      getOwnPropertyDescriptor: (_, key) => own(key)
        ? { value: items.get(key), writable: true, enumerable: true, configurable: true } : undefined,
      defineProperty: (_, key, descriptor) => { methods.setItem(key, descriptor.value); return true; },
    });
  };
  for (const name of ['localStorage', 'sessionStorage']) {
    const value = storage();
    Object.defineProperty(window, name, { configurable: true, enumerable: true, get: () => value });
  }

  const cookies = new Map();
  Object.defineProperty(document, 'cookie', {
    configurable: true,
    get: () => [...cookies].map(([name, value]) => (name ? `${name}=${value}` : value)).join('; '),
    set: (text) => {
      note();
      const [pair, ...attributes] = `${text}`.split(';').map((part) => part.trim());
      const at = pair.indexOf('=');
      const name = at < 0 ? '' : pair.slice(0, at).trim();
      const value = at < 0 ? pair : pair.slice(at + 1).trim();
      const given = Object.fromEntries(attributes.map((attribute) => {
        const [key, ...rest] = attribute.split('=');
        return [key.trim().toLowerCase(), rest.join('=').trim()];
      }));
      const ended = 'max-age' in given
        ? Number(given['max-age']) <= 0
        : 'expires' in given && Date.parse(given.expires) <= Date.now();
      if (ended) cookies.delete(name); else cookies.set(name, value);
    },
  });

  tell({ kind: 'ready' });
})();
