// Where a picture is, in any size and format. Pure: nothing here touches the page or the network.

const FOCUS = "(?:(?:\\d{1,2}|100)x(?:\\d{1,2}|100))?";
const SIZE = new RegExp(`^(?:full|(\\d{1,4})(?:s${FOCUS}|w|h|w(\\d{1,4})h(?:c${FOCUS})?))(?:q(\\d{1,3}))?$`);
const NAME_LIMIT = 120;
const WIDTHS = [200, 400, 800, 1600];

/** Why `text` is not a size here, as a sentence; "" if it is one. */
export function wrongSize(text, site) {
  const found = SIZE.exec(text);
  if (!found) return `“${text}” is not a size. Write one like 300w, 200h, 300w200h, 200s or 300w200hc.`;
  const [, first, second, quality] = found;
  if ([first, second].some((n) => n !== undefined && Number(n) === 0)) return "A size has at least 1 pixel.";
  if ([first, second].some((n) => Number(n) > site.max_side)) return `Sizes go up to ${site.max_side} here.`;
  if (quality && !site.qualities.includes(Number(quality))) {
    return site.qualities.length
      ? `Qualities here are ${site.qualities.join(", ")}.`
      : "This cluster has no choice of qualities; leave the q off.";
  }
  return "";
}

/** A file's name as it stands in a URL: words and dashes, without extension, percent-encoded. */
export function urlName(fileName) {
  const words = fileName.replace(/\.[^.]*$/, "").normalize("NFC").toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "");
  const letters = [...words];
  while (encodeURIComponent(letters.join("")).length > NAME_LIMIT) letters.pop();
  return encodeURIComponent(letters.join("")).replace(/-+$/, "") || "image";
}

/** The path of a picture on any node of the cluster. */
export function pathOf(picture, size, format) {
  return `/image/${picture.hash}/${size}/${urlName(picture.name)}.${format}`;
}

/** The path that the upload answer gave: the original, byte for byte. */
export function originalPath(picture) {
  return new URL(picture.full_url, location.href).pathname;
}

/** The same path as everybody reaches it, at the address that the upload answer gave. */
export function publicUrl(picture, path) {
  return new URL(path, new URL(picture.full_url, location.href)).href;
}

const escaped = (text) => text.replace(/[&"<>]/g, (c) => `&#${c.charCodeAt(0)};`);

/** `<img>` for one URL; width and height keep the page still while it loads. */
export function imgTag(url, alt, width, height) {
  const shape = width && height ? ` width="${width}" height="${height}"` : "";
  return `<img src="${url}"${shape} alt="${escaped(alt)}">`;
}

/** The widths that a srcset of this picture can name here: allowed, and no wider than it is. */
export function srcsetWidths(picture, site) {
  const allowed = site.sizes.length
    ? site.sizes.filter((size) => /^\d+w$/.test(size)).map((size) => parseInt(size, 10)).sort((a, b) => a - b)
    : WIDTHS.filter((width) => width <= site.max_side);
  return allowed.filter((width) => width <= picture.width);
}

/** `<img srcset>` over `widths`, or "" where there are fewer than two to choose from. */
export function srcsetTag(picture, widths, format, alt) {
  if (widths.length < 2) return "";
  const url = (width) => publicUrl(picture, pathOf(picture, `${width}w`, format));
  const middle = widths.filter((width) => width <= 800).at(-1) ?? widths[0];
  const height = Math.max(1, Math.floor((2 * picture.height * middle + picture.width) / (2 * picture.width)));
  const choices = widths.map((width) => `${url(width)} ${width}w`).join(",\n    ");
  return `<img src="${url(middle)}"\n  srcset="${choices}"\n  sizes="(max-width: ${middle}px) 100vw, ${middle}px"`
    + `\n  width="${middle}" height="${height}" alt="${escaped(alt)}">`;
}
