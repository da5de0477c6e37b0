// Uploading files: a row each with progress, a few at once, an error sentence where one fails.

const AT_ONCE = 3;
const NO_ANSWER = "The node did not answer. Look at the connection, then try again.";

/**
 * Returns add(files). `site` is the page's settings, `key()` the upload key or "",
 * `done(file, answer)` is called for every picture that is up, `say(sentence)` reads aloud.
 */
export function uploads({ site, list, row, key, askForKey, done, say }) {
  const waiting = [];
  let running = 0;

  function add(files) {
    const chosen = [...files];
    if (!chosen.length) return;
    if (site.asks_key && !key()) {
      askForKey();
      say("This cluster asks for an upload key. Write it in the field, then upload.");
    }
    say(chosen.length === 1 ? `Uploading ${chosen[0].name}.` : `Uploading ${chosen.length} pictures.`);
    for (const file of chosen) enqueue(newRow(file));
    next();
  }

  function newRow(file) {
    const item = row.content.firstElementChild.cloneNode(true);
    const part = (selector) => item.querySelector(selector);
    const job = {
      file, item,
      bar: part("progress"), state: part(".upload-state"),
      again: part(".again"), away: part(".drop-row"), request: null,
    };
    part(".upload-name").textContent = file.name;
    job.bar.setAttribute("aria-label", `Progress of ${file.name}`);
    job.again.addEventListener("click", () => { enqueue(job); next(); });
    job.away.addEventListener("click", () => remove(job));
    list.append(item);
    return job;
  }

  function enqueue(job) {
    job.item.classList.remove("failed");
    job.again.hidden = true;
    job.away.textContent = "Cancel";
    job.bar.hidden = false;
    job.bar.value = 0;
    job.state.textContent = "Waiting";
    waiting.push(job);
  }

  function next() {
    while (running < AT_ONCE && waiting.length) send(waiting.shift());
  }

  function send(job) {
    if (job.file.size > site.max_bytes) {
      fail(job, `${job.file.name} has ${megabytes(job.file.size)}; this cluster takes up to ${megabytes(site.max_bytes)}.`);
      return;
    }
    running += 1;
    const request = job.request = new XMLHttpRequest();
    request.open("POST", "/");
    request.setRequestHeader("Content-Type", mimeOf(job.file));
    request.setRequestHeader("Accept", "application/json");
    if (key()) request.setRequestHeader("Authorization", `Bearer ${key()}`);
    request.upload.addEventListener("progress", (event) => progress(job, event));
    request.upload.addEventListener("load", () => { job.state.textContent = "Making copies"; });
    request.addEventListener("load", () => answered(job, request));
    request.addEventListener("error", () => fail(job, NO_ANSWER));
    request.addEventListener("loadend", () => { running -= 1; next(); });
    request.send(job.file);
  }

  function progress(job, event) {
    if (!event.lengthComputable || !event.total) return;
    job.bar.value = event.loaded / event.total;
    job.state.textContent = `${Math.floor(100 * job.bar.value)} % of ${megabytes(event.total)}`;
  }

  function answered(job, request) {
    const answer = parse(request.responseText);
    if (request.status < 300 && answer.hash) {
      job.item.remove();
      done(job.file, answer);
      return;
    }
    if (request.status === 401 || request.status === 403) askForKey();
    fail(job, answer.detail ?? `The node answered ${request.status} ${request.statusText}. Try again.`);
  }

  function fail(job, sentence) {
    job.request = null;
    job.item.classList.add("failed");
    job.bar.hidden = true;
    job.state.textContent = sentence;
    job.again.hidden = false;
    job.away.textContent = "Dismiss";
    say(`${job.file.name}: ${sentence}`);
  }

  function remove(job) {
    job.request?.abort();
    if (waiting.includes(job)) waiting.splice(waiting.indexOf(job), 1);
    job.item.remove();
  }

  function mimeOf(file) {
    const extension = file.name.split(".").at(-1).toLowerCase();
    return file.type || site.mimes[extension] || "application/octet-stream";
  }

  return add;
}

function parse(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

export function megabytes(bytes) {
  const units = ["bytes", "KiB", "MiB", "GiB"];
  let unit = 0;
  for (; bytes >= 1024 && unit < units.length - 1; unit += 1) bytes /= 1024;
  return `${unit && bytes < 10 ? bytes.toFixed(1) : Math.round(bytes)} ${units[unit]}`;
}
