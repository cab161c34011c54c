import { styleText } from 'node:util';

/** How a part of a row looks. */
export type Look = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan' | 'blue';
/** Gives a text its looks, and no width. */
export type Paint = (text: string, ...looks: Look[]) => string;

/** For terminals without colours, and for comparing. */
export const plain: Paint = (text) => text;

/** With the control sequences that terminals know. */
export const coloured: Paint = (text, ...looks) =>
  text === '' || looks.length === 0 ? text : styleText(looks, text, { validateStream: false });
