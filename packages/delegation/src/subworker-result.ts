import type { ToolResult } from '@troupe/core';
import type { Question, Report } from '@troupe/protocol';

/** What the parent's model, the report and the events are told of a sub-worker, besides its text. */
export type SubworkerData = {
  run_id: string;
  status: Report['status'];
  worker: string;
  exit_reason: Report['exitReason'];
  errors?: string[];
  pending_action_type?: 'confirmation' | 'user_input' | 'handoff' | 'unknown';
  question_ids?: string[];
};

const follow = { confirmation: 'confirmation', input: 'user_input', handoff: 'handoff' } as const satisfies Record<
  Question['kind'],
  string
>;

/** The result of a spawn call. A sub-worker that did not complete is never an answer (L5): its status, reason and errors travel with it. */
export const resultOf = (report: Report): ToolResult => {
  const { runId, status, agent, exitReason, questions, partialText } = report;
  if (report.fault?.code === 'spawn.refused') return { error: report.fault.message };
  const data: SubworkerData = { run_id: runId, status, worker: agent, exit_reason: exitReason };
  const partial = partialText ? { content: partialText } : {};
  switch (status) {
    case 'completed':
      return { content: report.text ?? JSON.stringify(report.data), data };
    case 'paused': {
      const [question] = questions;
      const kind = question ? follow[question.kind] : 'unknown';
      return {
        error: `Subworker paused and requires ${kind} follow-up`,
        data: { ...data, pending_action_type: kind, question_ids: questions.map(({ id }) => id) },
      };
    }
    case 'interrupted':
      return { error: `Subworker was interrupted (${exitReason})`, data, ...partial };
    case 'failed': {
      const message = report.fault?.message.trim() || 'Subworker failed';
      const thrown = report.fault?.details?.errorType !== undefined;
      const error = thrown ? `Subworker execution failed: ${message}` : message;
      return { error, data: { ...data, errors: [message] }, ...partial };
    }
  }
};
