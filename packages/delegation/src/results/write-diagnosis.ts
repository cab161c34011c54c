import type { Report } from '@troupe/protocol';
import { type DiagnosisAbout, diagnosisOf } from './diagnosis.ts';
import { saveLog } from './save-log.ts';

/**
 * Writes the log of a child that ran out of time before its model answered once, and gives back its path. `undefined` where there is
 * nothing to write, no file system, or writing failed: it never rejects. Of one run there is one file, however often it is written.
 *
 * @param options.folder Default: `.troupe/logs` in the home of the user. It is made when it is missing.
 */
export const writeDiagnosis = async (
  report: Report,
  about: DiagnosisAbout,
  { folder }: { folder?: string } = {},
): Promise<string | undefined> => {
  try {
    const diagnosis = diagnosisOf(report, about);
    return diagnosis && (await saveLog(diagnosis, folder));
  } catch {
    return undefined;
  }
};
