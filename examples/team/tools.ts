import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { defineTool, type Tool } from '@troupe/core';
import { z } from 'zod';
import type { Folder } from '../review/folder.ts';

const maxCharacters = 24_000;

/** What the role `backend` and the role `reviewer` work with, by the names that tool profiles know: one flat folder, and nothing else. */
export const folderTools = (folder: Folder): Tool[] => [
  defineTool({
    name: 'list_dir',
    description: 'Lists the files of the folder that you work in, with their bytes.',
    inputSchema: z.object({}),
    idempotent: true,
    execute: async (_, { signal }) => ({ files: (await folder.files('.', signal)).files }),
  }),
  defineTool({
    name: 'read_file',
    description: 'Reads a file of the folder.',
    inputSchema: z.object({ path: z.string() }),
    idempotent: true,
    execute: async ({ path }) => (await folder.text(path)).slice(0, maxCharacters),
  }),
  defineTool({
    name: 'write_file',
    description: 'Writes a file of the folder as a whole, in place of what it was.',
    inputSchema: z.object({
      path: z.string().regex(/^\w[\w.-]*$/, 'A plain file name: there are no other folders.'),
      content: z.string().max(maxCharacters),
    }),
    // The same again is the same file.
    idempotent: true,
    execute: async ({ path, content }) => {
      await writeFile(join(folder.root, path), content);
      return `Wrote ${path}: ${content.length} characters.`;
    },
  }),
];
