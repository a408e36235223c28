import type { Platform } from '../../oci/platform.ts';
import type { ParsedDockerfile } from '../dockerfile/dockerfile.ts';
import { expandWord } from '../dockerfile/expand.ts';
import type { Instruction } from '../dockerfile/instruction.ts';
import type { Suitability } from '../engine.ts';
import { globalsOf } from './globals.ts';
import { isRemote } from './layer-step.ts';
import { earlierStage, stageNumber, targetStage } from './stage-names.ts';

const OWN_SYNTAX = /^docker\/dockerfile(?:-upstream)?(?:[:@]|$)/;

/**
 * Whether a Dockerfile can be built without running anything: the first line that needs more, in
 * the stages that `target` needs.
 */
export function suitabilityOf(
  dockerfile: ParsedDockerfile,
  target: string | undefined,
  args: ReadonlyMap<string, string>,
  platform: Platform,
): Suitability {
  const { syntax } = dockerfile;
  if (syntax !== undefined && !OWN_SYNTAX.test(syntax)) {
    return { can: false, reason: `it asks for another syntax (${syntax})` };
  }
  const globals = globalsOf(dockerfile, args, platform);
  const seen = new Set<number>();
  const todo = [targetStage(dockerfile, target)];
  const found: { line: number; reason: string }[] = [];
  for (let number = todo.pop(); number !== undefined; number = todo.pop()) {
    const stage = dockerfile.stages[number];
    if (stage === undefined || seen.has(number)) continue;
    seen.add(number);
    const image = expandOr(stage.from.image, globals, dockerfile);
    const base = earlierStage(dockerfile, image, number);
    if (base !== undefined) todo.push(base);
    for (const instruction of stage.instructions) {
      const reason = reasonOf(instruction);
      if (reason !== undefined) found.push({ line: instruction.where.line, reason });
      const from = fromOf(instruction);
      const other = from && stageNumber(dockerfile, from.value ?? '', from.where);
      if (other !== undefined) todo.push(other);
    }
  }
  const first = found.sort((a, b) => a.line - b.line)[0];
  if (first === undefined) return { can: true };
  return { can: false, reason: `line ${first.line} ${first.reason}` };
}

function fromOf(instruction: Instruction) {
  return instruction.keyword === 'COPY' ? instruction.from : undefined;
}

function reasonOf(instruction: Instruction): string | undefined {
  if (instruction.keyword === 'RUN') return 'runs a command';
  if (instruction.keyword !== 'COPY' && instruction.keyword !== 'ADD') return undefined;
  const { keyword, needs, sources } = instruction;
  if (needs !== undefined) return `has ${keyword} ${needs}`;
  return keyword === 'ADD' && sources.some(isRemote) ? 'adds from a URL' : undefined;
}

/** What doesn't expand is an error of the build, not of the question. */
function expandOr(
  text: string,
  globals: ReadonlyMap<string, string>,
  file: ParsedDockerfile,
): string {
  try {
    return expandWord(text, globals, file.escapeWith);
  } catch {
    return text;
  }
}
