// The status page, live: whenever the node says that something changed, the page is drawn again.

const source = new EventSource("/status/events");
let drawing = false;

source.addEventListener("status", async () => {
  if (drawing) return;
  drawing = true;
  try {
    const answer = await fetch("/status", { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.getElementById("main").replaceChildren(...page.getElementById("main").childNodes);
    document.title = page.title;
  } finally {
    drawing = false;
  }
});
