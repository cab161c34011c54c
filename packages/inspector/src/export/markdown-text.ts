/** Texts that keep their meaning, and nothing else, inside Markdown. */

/** On one line, with every sign escaped that could mean something, in a table, too. */
export const inline = (text: string): string =>
  text
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/[!-/:-@[-`{-~]/g, (sign) => (/[-.,:/?!']/.test(sign) ? sign : `\\${sign}`));

/** As it stands, in a fence that it cannot close. */
export const fenced = (text: string, language = 'text'): string => {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${text.replace(/\r\n?/g, '\n')}\n${fence}`;
};
