const link = document.getElementById("open");
const copy = document.getElementById("copy");
if (copy) {
  copy.addEventListener("click", async () => {
    const text = document.getElementById("text");
    text.select();
    try {
      await navigator.clipboard.writeText(text.value);
    } catch {
      document.execCommand("copy");
    }
    copy.textContent = copy.dataset.done;
  });
}
location.href = link.href;
