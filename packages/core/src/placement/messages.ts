/** What a run and its child say to each other where different processes execute them: messages in the store, in both directions. */
import type { Mail } from '@troupe/protocol';
import type { ChildEnd, ParentNote, RunCommand } from '../agent/context.ts';

/** From a child, stored with the step that it says so in. */
export type News =
  | ParentNote
  | { type: 'child.settled'; end: ChildEnd }
  | { type: 'child.left'; end: ChildEnd }
  | { type: 'child.stayed'; childId: string };

/** To a child, stored with the step of its parent that it follows from. */
export type Order = RunCommand | { type: 'slot.granted'; free?: true } | { type: 'detach' };

type Message = Mail['message'] | News | Order;

const newsTypes: ReadonlySet<string> = new Set<News['type']>([
  'child.paused',
  'child.resumed',
  'child.answered',
  'child.settled',
  'child.left',
  'child.stayed',
  'slot.released',
  'slot.wanted',
]);

/** True for what only a child says. */
export const isNews = (message: Message): message is News => newsTypes.has(message.type);

/** True for what only a parent says: no command of a person. */
export const isOrder = (message: Message): message is Exclude<Order, RunCommand> =>
  message.type === 'slot.granted' || message.type === 'detach';

export const childOf = (news: News): string => ('end' in news ? news.end.childId : news.childId);
