// Draw the diagrams with the copy of Mermaid beside this file: also offline, and from a folder without a server.
document.addEventListener("DOMContentLoaded", () => {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  mermaid.initialize({ startOnLoad: false, theme: dark ? "dark" : "default" });
  for (const block of document.querySelectorAll(".highlight-mermaid, .highlight-default:has(.mermaid)")) {
    const diagram = document.createElement("pre");
    diagram.className = "mermaid";
    diagram.textContent = block.innerText;
    block.replaceWith(diagram);
  }
  mermaid.run();
});
