// Starts the screen. A file of its own, because the page's content security policy allows no inline script;
// the build names the two parts it starts in the attributes of its script element.

// A file dropped before the screen is here must not replace the page.
for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());

const { js, wasm } = document.querySelector("script[data-js]").dataset;
const { default: init } = await import(js);
await init({ module_or_path: wasm });
