import type { Line } from '../../../src/wire.ts';
import { type Forest, ROOTS } from './world.ts';

/** What rows must be like to be shown. Empty texts let everything pass. */
export type TreeFilter = { text: string; status: string; agent: string };

export const noFilter: TreeFilter = { text: '', status: '', agent: '' };

/** A row as it is drawn: how deep, whether something is below it, and whether it is there only for what is below it. */
export type TreeRow = { line: Line; depth: number; open: boolean; leaf: boolean; dim: boolean };

const isFilter = ({ text, status, agent }: TreeFilter): boolean => text !== '' || status !== '' || agent !== '';

/** Statuses as a person looks for them: `active` is whatever has not ended. */
const hasStatus = (line: Line, status: string): boolean => {
  if (status === '') return true;
  if (status === 'active') return line.endedAt === undefined;
  if (status === 'asking') return line.kind === 'run' && line.questions.length > 0;
  return line.status === status;
};

const says = (line: Line, text: string): boolean => {
  const texts = [line.name, line.id, line.status];
  if (line.kind === 'run') texts.push(line.title, line.model, ...line.tools);
  else texts.push(line.state);
  return texts.some((one) => one.toLowerCase().includes(text));
};

const isShown = (line: Line, { text, status, agent }: TreeFilter): boolean =>
  hasStatus(line, status) && (agent === '' || line.name === agent) && (text === '' || says(line, text.toLowerCase()));

/**
 * The rows of a forest in the order in which they are drawn. With a filter, rows above those that match are there too, dimmed, and
 * what is folded opens.
 *
 * @param folded Ids of rows whose children are hidden.
 */
export const treeRows = (forest: Forest, filter: TreeFilter, folded: ReadonlySet<string>): TreeRow[] => {
  const rows: TreeRow[] = [];
  const filtered = isFilter(filter);
  // Depth first without recursion: trees may be as deep as they like.
  const open: { ids: readonly string[]; next: number; depth: number; above: number }[] = [
    { ids: forest.below.get(ROOTS) ?? [], next: 0, depth: 0, above: -1 },
  ];
  // With a filter, rows that nothing below has asked for yet are taken back when their children are through.
  for (let level = open.at(-1); level; level = open.at(-1)) {
    const id = level.ids[level.next++];
    if (id === undefined) {
      open.pop();
      const above = rows[level.above];
      if (filtered && above?.dim && rows.length - 1 === level.above) rows.pop();
      continue;
    }
    const line = forest.lines.get(id);
    if (!line) continue;
    const children = forest.below.get(id) ?? [];
    const matches = !filtered || isShown(line, filter);
    const shown = children.length > 0 && (filtered || !folded.has(id));
    if (!matches && children.length === 0) continue;
    rows.push({ line, depth: level.depth, open: shown, leaf: children.length === 0, dim: !matches });
    if (shown) open.push({ ids: children, next: 0, depth: level.depth + 1, above: rows.length - 1 });
  }
  return rows;
};

/** Names of agents, for the filter. */
export const agentsOf = ({ lines }: Forest): string[] => {
  const names = new Set<string>();
  for (const { name } of lines.values()) names.add(name);
  return [...names].sort((a, b) => a.localeCompare(b));
};
