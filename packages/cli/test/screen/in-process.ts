/** A terminal in this process: what is written is on a screen, keys come in by hand. */
import { PassThrough, Writable } from 'node:stream';
import xterm from '@xterm/headless';

export const openTerminal = ({ columns = 80, rows = 20 } = {}) => {
  const screen = new xterm.Terminal({
    cols: columns,
    rows,
    allowProposedApi: true,
    scrollback: 1_000,
    convertEol: true,
  });
  let raw = '';
  const output = Object.assign(
    new Writable({
      decodeStrings: false,
      write(text: string, _encoding, written) {
        raw += text;
        screen.write(text, () => written());
      },
    }),
    { isTTY: true, columns, rows },
  );
  const modes: boolean[] = [];
  const input = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode: (isRaw: boolean) => void modes.push(isRaw),
    ref: () => {},
    unref: () => {},
  });
  const text = (): string => {
    const { active } = screen.buffer;
    const lines = Array.from({ length: active.length }, (_line, i) => active.getLine(i)?.translateToString(true) ?? '');
    return lines.join('\n').trimEnd();
  };
  return {
    output,
    streams: {
      screen: output as unknown as NodeJS.WriteStream,
      input: input as unknown as NodeJS.ReadStream,
    },
    text,
    raw: () => raw,
    /** Whether the terminal was made raw, and given back. */
    modes,
    type: (pressed: string) => void input.write(pressed),
    resize(width: number, height: number) {
      screen.resize(width, height);
      Object.assign(output, { columns: width, rows: height });
      output.emit('resize');
    },
  };
};
