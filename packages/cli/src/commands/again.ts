/** A word as a shell takes it for one. */
export const quoted = (word: string, platform: string = process.platform): string => {
  if (platform === 'win32') return /^[\w@+=:,.\\/-]+$/.test(word) ? word : `"${word}"`;
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
};

type Where = { file?: string | undefined; store?: string | undefined };

/** The command that a person is to give next, for the same store: `words` as they are, then what was named by hand. */
export const again = (words: string, { file, store }: Where): string =>
  [
    `troupe ${words}`,
    ...(file === undefined ? [] : [`--file ${quoted(file)}`]),
    ...(store === undefined ? [] : [`--store ${quoted(store)}`]),
  ].join(' ');
