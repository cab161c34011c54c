import type { Tool } from '@troupe/core';
import type { Role } from './delegate-input.ts';
import type { DelegatePolicy } from './delegate-options.ts';

/** Tools that delegate, whatever they are called: no child has any but the one that it was made with. */
export const delegating = new WeakSet<Tool>();

/** Names of tools behind names of tools and bundles; bundles may hold bundles. */
const expand = (names: readonly string[], toolsets: DelegatePolicy['toolsets']): Set<string> => {
  const found = new Set<string>();
  const opened = new Set<string>();
  const open = (name: string): void => {
    if (!Object.hasOwn(toolsets, name)) return void found.add(name);
    if (opened.has(name)) return;
    opened.add(name);
    for (const member of toolsets[name] ?? []) open(member);
  };
  for (const name of names) open(name);
  return found;
};

/**
 * Names of the tools that a child gets: of what its parent has, what was asked for. The deny list holds for names, after bundles
 * were opened, so that nothing slips in beside something else. An orchestrator gets the tool that it delegates with, whatever else.
 */
export const toolsFor = (
  self: string,
  parent: ReadonlyMap<string, Tool>,
  { requested, role }: { requested: readonly string[] | undefined; role: Role },
  { tools, toolsets, denyTools, inheritServerTools }: DelegatePolicy,
): string[] => {
  const allowed = tools && expand(tools, toolsets);
  const wanted = requested && expand(requested, toolsets);
  // What a model asks for is within what the program allows; tools of servers it need not name.
  const isGranted = ({ name, server }: Tool): boolean =>
    (allowed?.has(name) ?? true) && ((inheritServerTools && server !== undefined) || (wanted?.has(name) ?? true));
  const names = [...parent.values()]
    .filter((tool) => tool.name !== self && !delegating.has(tool) && !denyTools.has(tool.name) && isGranted(tool))
    .map(({ name }) => name);
  return role === 'orchestrator' ? [...names, self] : names;
};

/** What was asked for and not granted, as sentences that say why. */
export const ungrantedTexts = (
  parent: ReadonlyMap<string, Tool>,
  children: readonly { requested: readonly string[] | undefined; granted: readonly string[] }[],
  { toolsets }: DelegatePolicy,
): string[] => {
  const ungranted = new Set(
    children.flatMap(({ requested = [], granted }) =>
      [...expand(requested, toolsets)].filter((name) => !granted.includes(name)),
    ),
  );
  const reasons = { 'you do not have them': false, 'children may not have them here': true };
  return Object.entries(reasons).flatMap(([why, isThere]) => {
    const names = [...ungranted].filter((name) => parent.has(name) === isThere);
    return names.length > 0 ? [`Not granted, for ${why}: ${names.join(', ')}.`] : [];
  });
};
