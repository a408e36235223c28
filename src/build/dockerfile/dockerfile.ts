import type { FromInstruction, Instruction } from './instruction.ts';
import { type InstructionText, splitLines } from './lines.ts';
import { parseInstruction } from './parse-instruction.ts';
import { type EscapeCharacter, syntaxError } from './text.ts';

/** A stage: FROM and what follows. */
export interface Stage {
  readonly from: FromInstruction;
  readonly instructions: readonly Instruction[];
}

/** A Dockerfile that was parsed. Variables are still in it. */
export interface ParsedDockerfile {
  readonly file: string;
  readonly escapeWith: EscapeCharacter;
  /** what `# syntax=` names */
  readonly syntax?: string;
  /** ARG before the first FROM */
  readonly globals: readonly (Instruction & { readonly keyword: 'ARG' })[];
  readonly stages: readonly Stage[];
}

/** More is no Dockerfile. */
const MAX_BYTES = 16 * 1024 * 1024;
const UTF8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Parses a Dockerfile (docs.docker.com/reference/dockerfile).
 *
 * @param file its name, for errors
 * @throws SlipwayError `CONFIG_INVALID` with line and column
 */
export function parseDockerfile(file: string, bytes: Uint8Array): ParsedDockerfile {
  const start = { file, line: 1, column: 1 };
  if (bytes.byteLength > MAX_BYTES) throw syntaxError(start, `longer than ${MAX_BYTES} bytes`);
  const { escapeWith, syntax, instructions } = splitLines(file, textOf(file, bytes));
  const globals: (Instruction & { readonly keyword: 'ARG' })[] = [];
  const stages: { from: FromInstruction; instructions: Instruction[] }[] = [];
  for (const text of instructions) {
    const parsed = parseInstruction(text, escapeWith);
    const stage = stages.at(-1);
    if (parsed.keyword === 'FROM') stages.push({ from: parsed, instructions: [] });
    else if (stage !== undefined) stage.instructions.push(parsed);
    else if (parsed.keyword === 'ARG') globals.push(parsed);
    else {
      throw syntaxError(
        parsed.where,
        `${parsed.keyword} before the first FROM`,
        'begin with FROM; only ARG may stand before it',
      );
    }
  }
  if (stages.length === 0) {
    throw syntaxError(start, 'there is no FROM in it', 'begin with FROM IMAGE or FROM scratch');
  }
  return { file, escapeWith, globals, stages, ...(syntax === undefined ? {} : { syntax }) };
}

/**
 * Parses a trigger that an ONBUILD left in a base image.
 *
 * @throws SlipwayError `CONFIG_INVALID`
 */
export function parseTrigger(trigger: string): readonly Instruction[] {
  const { instructions, escapeWith } = splitLines('an ONBUILD trigger of the base image', trigger);
  return instructions.map((text: InstructionText) => {
    const parsed = parseInstruction(text, escapeWith);
    if (parsed.keyword !== 'FROM' && parsed.keyword !== 'ONBUILD') return parsed;
    throw syntaxError(parsed.where, `${parsed.keyword} isn't allowed as an ONBUILD trigger`);
  });
}

function textOf(file: string, bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    const before = new TextDecoder('latin1').decode(bytes).split('\n');
    const line = before.findIndex((text) => !isUtf8(text)) + 1;
    throw syntaxError({ file, line, column: 1 }, 'this line is not UTF-8 text');
  }
}

function isUtf8(latin1: string): boolean {
  try {
    UTF8.decode(Buffer.from(latin1, 'latin1'));
    return true;
  } catch {
    return false;
  }
}
