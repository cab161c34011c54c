import type { Answer, Question } from '@troupe/protocol';
import { useState } from 'preact/hooks';
import type { Command } from '../../../src/wire.ts';
import { command, isPast, lineOf, seen, select, selected, shownNow } from '../app.ts';
import { spanText } from '../model/words.ts';
import { ActButton } from './act-button.tsx';
import { Mark } from './icons.tsx';
import { useCan } from './use-can.ts';

/** What waits for a person, above everything else. The oldest is open; the others are a press away. */
export const QuestionBar = () => {
  const [chosen, choose] = useState<string | undefined>(undefined);
  const questions = isPast.value ? (seen().past?.questions ?? []) : seen().questions;
  const question = questions.find(({ id }) => id === chosen) ?? questions.find(isOfSelected) ?? questions[0];
  if (!question) return null;
  return (
    <section class="questions" aria-label="Open questions">
      {questions.length > 1 && (
        <nav aria-label="Questions">
          <span>{questions.length} open questions</span>
          {questions.slice(0, 12).map((one) => (
            <button
              key={one.id}
              type="button"
              class="chip"
              aria-pressed={one.id === question.id}
              onClick={() => {
                choose(one.id);
                select(one.runId);
              }}
            >
              {lineOf(one.runId)?.name ?? one.runId} · {one.tool}
            </button>
          ))}
          {questions.length > 12 && <span>and {questions.length - 12} more</span>}
        </nav>
      )}
      <Asked key={question.id} question={question} />
    </section>
  );
};

const isOfSelected = ({ runId }: Question): boolean => runId === selected.value;

const Asked = ({ question }: { question: Question }) => {
  const { runId, prompt, tool, askedAt, arguments: given } = question;
  return (
    <article class="asked">
      <Mark standing="asking" />
      <div class="ask">
        <p class="prompt">{prompt}</p>
        <p class="about">
          <button type="button" class="link-like" onClick={() => select(runId)}>
            {lineOf(runId)?.name ?? runId}
          </button>{' '}
          · {tool} · asked {agoText(shownNow.value - askedAt)}
          {hasArguments(given) && <code title={JSON.stringify(given, null, 2)}>{JSON.stringify(given)}</code>}
        </p>
      </div>
      {isPast.value ? (
        <p class="about">You look at the past: answer it in the present.</p>
      ) : (
        <AnswerForm question={question} />
      )}
    </article>
  );
};

const agoText = (ms: number): string => (ms < 2_000 ? 'just now' : `${spanText(ms)} ago`);

const hasArguments = (given: unknown): boolean =>
  typeof given === 'object' && given !== null && Object.keys(given).length > 0;

const AnswerForm = ({ question }: { question: Question }) => {
  const [text, setText] = useState('');
  const byText = question.kind !== 'confirmation' && question.options.length === 0;
  const answer = (value: Answer): Command => ({
    type: 'answer',
    runId: question.runId,
    questionId: question.id,
    answer: value,
  });
  const give = (what: string, value: Answer) => void command(what, answer(value));
  const canDecline = useCan(answer({ decline: text || 'Declined.' }));
  const canGive = useCan(byText ? answer(text) : null);
  return (
    <form
      class="answers"
      onSubmit={(event) => {
        event.preventDefault();
        if (byText) give('Answer', text);
      }}
    >
      {byText ? (
        <>
          <input
            id="answer"
            aria-label="Your answer"
            placeholder="Your answer"
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
          <ActButton can={canGive} submit class="main" onPress={() => {}}>
            Answer
          </ActButton>
        </>
      ) : (
        <Options question={question} answer={answer} give={give} />
      )}
      {question.kind !== 'confirmation' && (
        <ActButton can={canDecline} onPress={() => give('Decline', { decline: text || 'Declined.' })}>
          Decline
        </ActButton>
      )}
    </form>
  );
};

type OptionsProps = {
  question: Question;
  answer: (value: Answer) => Command;
  give: (what: string, value: Answer) => void;
};

const Options = ({ question, answer, give }: OptionsProps) => {
  const options = question.options.length > 0 ? question.options : ['yes', 'no'];
  const can = useCan(answer(options[0] ?? 'yes'));
  return (
    <>
      {options.map((option, index) => (
        <ActButton
          key={option}
          can={can}
          class={index === 0 ? 'main' : ''}
          onPress={() => give(`Answer “${option}”`, option)}
        >
          {option}
        </ActButton>
      ))}
    </>
  );
};
