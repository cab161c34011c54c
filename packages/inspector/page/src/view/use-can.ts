import { useEffect, useState } from 'preact/hooks';
import type { Command, ReceiptLine } from '../../../src/wire.ts';
import { ask } from '../app.ts';

const QUIET_MS = 120;

/** What a command would come to, as the machine says it; asked again whenever the command has changed and stood for a moment. */
export const useCan = (command: Command | null): ReceiptLine | undefined => {
  const key = command && JSON.stringify(command);
  const [answer, setAnswer] = useState<{ key: string; receipt: ReceiptLine } | undefined>(undefined);
  useEffect(() => {
    if (key === null || command === null) return;
    let wanted = true;
    const timer = setTimeout(async () => {
      const receipt = await ask(command);
      if (wanted) setAnswer({ key, receipt });
    }, QUIET_MS);
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [key]);
  return answer?.key === key ? answer?.receipt : undefined;
};
