/** Where the built page is: beside a published package; in a clone it is built first. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The folder of the page, built if this is a clone whose page has changed. */
export const pageFolder = async (): Promise<string> => {
  const source = folder('../../page/build.ts');
  if (!existsSync(source)) return folder('../../dist-page/');
  const { buildPage } = (await import(source)) as { buildPage(): Promise<string> };
  return buildPage();
};
