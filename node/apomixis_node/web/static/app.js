// The upload page, put together: the form becomes drag and drop, paste, progress and a gallery.

import { gallery } from "./gallery.js";
import * as memory from "./memory.js";
import { panel } from "./panel.js";
import { uploads } from "./uploads.js";

const $ = (id) => document.getElementById(id);
const site = JSON.parse($("site").textContent);
const form = $("form");
const input = $("image");
const key = $("key");
const veil = $("veil");

function say(sentence) {
  $("news").textContent = sentence;
}

const open = panel({
  site, say,
  forget(picture) {
    memory.forget(picture.hash);
    draw();
    say(`${picture.name} is out of the list. The picture stays in the cluster.`);
  },
});

const draw = gallery({
  site, open, say,
  section: $("gallery"), tiles: $("tiles"), template: $("tile"), forgetAll: $("forget-all"),
});

const add = uploads({
  site, say,
  list: $("uploads"), row: $("upload-row"),
  key: () => key?.value.trim() ?? "",
  askForKey: () => key?.focus(),
  done(file, answer) {
    memory.remember({ ...answer, name: file.name });
    draw();
    say(`${file.name} is up, on ${answer.nodes.join(", ")}.`);
  },
});

form.classList.add("scripted");
for (const element of document.querySelectorAll(".with-script")) element.hidden = false;
for (const element of document.querySelectorAll(".without-script")) element.hidden = true;
input.multiple = true;

input.addEventListener("change", () => {
  add(input.files);
  input.value = "";
});
form.addEventListener("submit", (event) => event.preventDefault());

// dragenter and dragleave come for every element on the way; their difference says where we are.
let depth = 0;
const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
addEventListener("dragenter", (event) => {
  if (carriesFiles(event)) veil.hidden = ++depth === 0;
});
addEventListener("dragleave", (event) => {
  if (carriesFiles(event)) veil.hidden = --depth <= 0;
});
addEventListener("dragover", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "copy";
});
addEventListener("drop", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  depth = 0;
  veil.hidden = true;
  $("panel").close();
  add(event.dataTransfer.files);
});

addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (files.length) event.preventDefault();
  add(files);
});

draw();
