import { checkLookedInto } from '../dimg/introspect.ts';
import type { Introspection, LookedInto } from '../dimg/introspection.ts';
import { SlipwayError } from '../errors.ts';
import type { Context } from './context.ts';
import type { DimgFlags } from './dimg-flags.ts';
import { safeLine } from './output.ts';
import { runHere } from './run-container.ts';

/**
 * What the options `--introspect-…` ask for, if they do.
 *
 * @throws SlipwayError `USAGE` for a stage that no image can have, and where a shell is sure to be
 * wanted and there is no terminal for it
 */
export function introspectionOf(context: Context, flags: DimgFlags): Introspection | undefined {
  const stages = lookedInto(flags);
  const { introspectError: onError = false, introspectBeforeError: beforeError = false } = flags;
  if (stages.length === 0 && !onError && !beforeError) return undefined;
  checkLookedInto(stages);
  const { stdin, stdout } = process;
  const isTerminal = stdin.isTTY === true && stdout.isTTY === true;
  if (stages.length > 0 && !isTerminal) {
    throw new SlipwayError('USAGE', 'there is no terminal for the shell of --introspect-…', {
      hint: 'leave the option out, or run the command at a terminal',
    });
  }
  const { output, emit, signal } = context;
  let isOpened = false;
  context.onClose(async () => {
    if (isOpened || stages.length === 0) return;
    const names = stages.map(({ kind, stage }) => `stage ${stage} of a ${kind}`).join(', or ');
    output.err(`no shell was opened: the build came to no ${names}\n`);
  });
  return {
    ...{ stages, onError, beforeError },
    async open(what, spec) {
      if (!isTerminal) {
        const message = `there is no terminal to look into ${what}`;
        emit({ type: 'warning', message });
        return;
      }
      isOpened = true;
      const engine = await context.engine();
      const giveBack = context.holdTerminal();
      try {
        output.err(`${safeLine(`${what}: a shell; exit ends it`)}\n`);
        // However the last command in there ended: that was to look.
        await runHere(engine, spec, { isInteractive: true, emit, signal });
      } finally {
        giveBack();
      }
    },
  };
}

function lookedInto(flags: DimgFlags): readonly LookedInto[] {
  const given = [
    { kind: 'dimg', when: 'before', stage: flags.introspectBefore },
    { kind: 'dimg', when: 'after', stage: flags.introspectStage },
    { kind: 'artifact', when: 'before', stage: flags.introspectArtifactBefore },
    { kind: 'artifact', when: 'after', stage: flags.introspectArtifactStage },
  ] as const;
  return given.flatMap(({ kind, when, stage }) =>
    stage === undefined ? [] : [{ kind, when, stage }],
  );
}
