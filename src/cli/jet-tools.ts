import type { CredentialLookup } from '../credentials/credential.ts';
import type { Tools } from '../jet/tools.ts';
import { publish } from '../publish/publish.ts';
import type { Registries } from '../registry/registries.ts';
import { createMovedTags } from '../state/moved-tags.ts';
import type { Context, RegistryFlags } from './context.ts';
import { buildEngines } from './engines.ts';
import { derive } from './open.ts';
import { safeLine } from './output.ts';
import { canAsk, openPrompts } from './prompt.ts';
import { tellResults } from './publish-results.ts';

const MAX_LINE_LENGTH = 16 * 1024;

/** What a pipeline works with. */
export function jetTools(context: Context, { jobs }: RegistryFlags): Tools {
  const { signal, emit, output } = context;
  const opened = new Map<CredentialLookup, Promise<Registries>>();
  const registriesAs = (own: CredentialLookup): Promise<Registries> => {
    const known = opened.get(own) ?? context.registriesAs(own);
    opened.set(own, known);
    return known;
  };
  return {
    signal,
    emit,
    say: (line) => output.out(`${safeLine(line, MAX_LINE_LENGTH)}\n`),
    home: context.home,
    store: context.store,
    engine: context.engine,
    buildEngines: (own) => buildEngines({ ...context, registriesAs }, process.env, own),
    registries: (own) => (own === undefined ? context.registries() : registriesAs(own)),
    compressed: (graph) => derive(context, graph, {}),
    async publish(publication) {
      const outcome = await publish(publication, {
        signal,
        emit,
        movedTags: createMovedTags(await context.hints()),
        ...(jobs === undefined ? {} : { jobs }),
      });
      // A failure is told with its step.
      if (outcome.error === undefined) await tellResults(context, outcome, {});
      return outcome;
    },
    async approve(question) {
      if (!canAsk()) return undefined;
      const prompts = openPrompts(process.stderr, signal);
      try {
        return /^y(?:es)?$/i.test((await prompts.ask(`${question} [y/N] `)).trim());
      } finally {
        prompts.close();
      }
    },
  };
}
