// The pictures uploaded from this browser, newest first. Kept in localStorage where there is any.

const PLACE = "apomixis.pictures";
const MOST = 60;
let pictures = read();

function read() {
  try {
    const found = JSON.parse(localStorage.getItem(PLACE) ?? "[]");
    return Array.isArray(found) ? found.filter((p) => p && p.hash && p.full_url && p.name) : [];
  } catch {
    return [];
  }
}

function write() {
  try {
    localStorage.setItem(PLACE, JSON.stringify(pictures));
  } catch {
    // A browser that keeps nothing still shows this visit's pictures.
  }
}

export function all() {
  return pictures;
}

export function remember(picture) {
  pictures = [picture, ...read().filter((p) => p.hash !== picture.hash)].slice(0, MOST);
  write();
}

export function forget(hash) {
  pictures = read().filter((p) => p.hash !== hash);
  write();
}

export function forgetAll() {
  pictures = [];
  write();
}

/** Call `changed` when another tab changed the list. */
export function watch(changed) {
  addEventListener("storage", (event) => {
    if (event.key !== PLACE && event.key !== null) return;
    pictures = read();
    changed();
  });
}
