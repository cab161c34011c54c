/** The first of some paths that is an existing folder, absolute; `undefined` when none is, or where there is no file system. */
export const workspaceOf = (candidates: readonly string[]): string | undefined => {
  // Found, not imported: this package loads where there is no Node.
  const { getBuiltinModule: find } = globalThis.process ?? {};
  const [fs, os, path] = [find?.('fs'), find?.('os'), find?.('path')];
  if (!fs || !os || !path) return undefined;
  for (const candidate of candidates) {
    if (candidate.trim() === '') continue;
    const folder = path.resolve(candidate.replace(/^~(?=$|[/\\])/, () => os.homedir()));
    if (fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return folder;
  }
  return undefined;
};
