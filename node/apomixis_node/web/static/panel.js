// The panel of one picture: choose a size and a format, look at it, copy its URL or its HTML.

import { copies, underlay } from "./gallery.js";
import { megabytes } from "./uploads.js";
import { imgTag, originalPath, pathOf, publicUrl, srcsetTag, srcsetWidths, wrongSize } from "./urls.js";

const CONFIRMED_MS = 2000;
const TYPING_MS = 300;
const $ = (id) => document.getElementById(id);

/** Returns open(picture). `forget(picture)` takes it out of the gallery. */
export function panel({ site, forget, say }) {
  const dialog = $("panel");
  const preview = $("preview");
  let picture = null;
  let size = site.shown;
  let format = "auto";
  let typing = 0;

  function open(chosen) {
    picture = chosen;
    size = site.shown;
    format = size === "full" ? picture.extension : "auto";
    $("panel-title").textContent = picture.name;
    $("panel-copies").textContent =
      `${picture.width} × ${picture.height}, ${megabytes(picture.length)}, ${picture.format}. ${copies(picture)}.`;
    underlay(preview, picture);
    if (!site.signed) drawChoices();
    draw();
    dialog.showModal();
  }

  function drawChoices() {
    const text = $("size-text");
    if (text) text.value = "";
    const formats = [...new Set([...site.choice, picture.extension])];
    $("formats").replaceChildren(...formats.map(formatChip));
  }

  function formatChip(name) {
    const chip = document.createElement("label");
    chip.className = "chip";
    const input = Object.assign(document.createElement("input"), { type: "radio", name: "format", value: name });
    const words = Object.assign(document.createElement("span"), { textContent: name });
    input.addEventListener("change", () => { format = name; draw(); });
    chip.append(input, words);
    return chip;
  }

  /** The original keeps its own format; a format that is only read is offered for nothing else. */
  function settle() {
    const onlyRead = !site.choice.includes(picture.extension) && picture.extension !== "gif";
    if (onlyRead && size !== "full" && format === picture.extension) format = "auto";
    for (const input of dialog.querySelectorAll("input[name=size]")) input.checked = input.value === size;
    for (const input of dialog.querySelectorAll("input[name=format]")) {
      input.checked = input.value === format;
      if (input.value === picture.extension) input.disabled = onlyRead && size !== "full";
    }
    $("format-hint").textContent = hint();
  }

  function hint() {
    if (size === "full" && format === picture.extension) return "The original, byte for byte.";
    if (format === "auto") return "auto: AVIF, WebP, or JPEG/PNG, whichever the browser says it takes.";
    return size === "full" ? `All its pixels, written anew as ${format}.` : "";
  }

  function path() {
    const original = site.signed || (size === "full" && format === picture.extension);
    return original ? originalPath(picture) : pathOf(picture, size, format);
  }

  function draw() {
    if (!site.signed) settle();
    $("preview-facts").textContent = "Loading";
    preview.classList.remove("shown");
    preview.alt = `${picture.name} at ${size}`;
    preview.src = path();
    write();
  }

  function write(width, height) {
    const url = publicUrl(picture, path());
    const alt = picture.name.replace(/\.[^.]*$/, "");
    $("url").value = url;
    $("img").value = imgTag(url, alt, width, height);
    const tag = site.signed ? "" : srcsetTag(picture, srcsetWidths(picture, site), srcsetFormat(), alt);
    $("srcset").value = tag;
    $("srcset-field").hidden = tag === "";
  }

  function srcsetFormat() {
    return site.choice.includes(format) || format === "gif" ? format : "auto";
  }

  preview.addEventListener("load", () => {
    preview.classList.add("shown");
    $("preview-facts").textContent = `${preview.naturalWidth} × ${preview.naturalHeight} pixels`;
    write(preview.naturalWidth, preview.naturalHeight);
  });

  preview.addEventListener("error", async () => {
    const asked = preview.src;
    const sentence = await reason(asked);
    if (asked === preview.src) $("preview-facts").textContent = sentence;
  });

  for (const input of dialog.querySelectorAll("input[name=size]")) {
    input.addEventListener("change", () => {
      if ($("size-text")) $("size-text").value = "";
      choose(input.value);
    });
  }

  $("size-text")?.addEventListener("input", (event) => {
    clearTimeout(typing);
    const wanted = event.target.value.trim().toLowerCase();
    typing = setTimeout(() => { if (wanted) choose(wanted); }, TYPING_MS);
  });

  function choose(wanted) {
    const wrong = wrongSize(wanted, site);
    $("size-wrong").textContent = wrong;
    $("size-text")?.setAttribute("aria-invalid", String(wrong !== ""));
    if (wrong) return;
    const left = size === "full" && format === picture.extension;
    size = wanted;
    if (size === "full") format = picture.extension;
    else if (left) format = "auto";
    draw();
  }

  for (const button of dialog.querySelectorAll("[data-copies]")) {
    button.addEventListener("click", () => copy(button, $(button.dataset.copies), say));
  }
  $("panel-close").addEventListener("click", () => dialog.close());
  $("forget").addEventListener("click", () => { dialog.close(); forget(picture); });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => {
    clearTimeout(typing);
    $("size-wrong").textContent = "";
    preview.removeAttribute("src");
  });
  return open;
}

/** Why an image did not load, as the node says it. */
async function reason(url) {
  try {
    const answer = await fetch(url, { headers: { Accept: "application/json" } });
    const body = answer.ok ? {} : await answer.json();
    return body.detail ?? "The browser can’t show this format.";
  } catch {
    return "The node did not answer. Try again.";
  }
}

async function copy(button, field, say) {
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    // Without https there is no clipboard object; the old way still copies the selection.
    document.execCommand("copy");
  }
  button.textContent = "Copied";
  button.classList.add("done");
  say("Copied.");
  setTimeout(() => {
    button.textContent = "Copy";
    button.classList.remove("done");
  }, CONFIRMED_MS);
}
