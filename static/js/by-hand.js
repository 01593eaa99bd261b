// Copies a text, or opens the browser's print dialogue. Without this script one marks the text, or uses the menu.
document.documentElement.classList.add("scripted");

async function copy(button) {
  const text = document.getElementById(button.dataset.copy);
  text.select();
  let copied = true;
  try {
    await navigator.clipboard.writeText(text.value);
  } catch {
    // Where the page comes over plain HTTP, as at an onion address, there is no clipboard but this old way.
    copied = document.execCommand("copy");
  }
  button.nextElementSibling.textContent = copied ? button.dataset.copied : button.dataset.marked;
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("button[data-copy], button[data-print]");
  if (!button) return;
  if ("print" in button.dataset) window.print();
  else copy(button);
});
