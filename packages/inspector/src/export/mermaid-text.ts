/** Any text as a label of a Mermaid diagram, on one line: what could mean something to Mermaid, or to HTML, is written by its number. */
export const mermaidText = (text: string): string =>
  text
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/[^\p{L}\p{M}\p{N} .,!?()'/_*=+-]/gu, (sign) => `#${sign.codePointAt(0)};`);
