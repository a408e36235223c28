import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** The checkout's folder. */
export const ROOT = path.resolve(import.meta.dirname, '../..');

/** One file under `src/`, its comments blanked out. */
export interface SourceFile {
  /** from `src/` on, with `/` */
  readonly name: string;
  readonly text: string;
  readonly lines: number;
}

/** All TypeScript files under `src/`, in the order of their names. */
export function sourceFiles(): readonly SourceFile[] {
  const folder = path.join(ROOT, 'src');
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => {
      const text = readFileSync(path.join(folder, name), 'utf8');
      return {
        name: name.split(path.sep).join('/'),
        text: withoutComments(text),
        lines: text.trimEnd().split('\n').length,
      };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

const TOKEN = new RegExp(
  [
    String.raw`\/\/[^\n]*`,
    String.raw`\/\*[\s\S]*?\*\/`,
    String.raw`'(?:[^'\\\n]|\\.)*'`,
    String.raw`"(?:[^"\\\n]|\\.)*"`,
    String.raw`\x60(?:[^\x60\\]|\\[\s\S])*\x60`,
    // A regular expression stands where a value may begin, so quotes inside it open no string.
    String.raw`(?<=[=(,:;!&|?{}\[\n>]\s*)\/(?![*\/])(?:[^\/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*`,
  ].join('|'),
  'g',
);

/** The text with every comment taken out; strings, templates and regular expressions stay. */
export function withoutComments(text: string): string {
  return text.replace(TOKEN, (token) =>
    token.startsWith('//') || token.startsWith('/*') ? ' ' : token,
  );
}

const IMPORTS = [
  /\b(?:import|export)\s+(?:type\s+)?(?:[\w$*{][^;'"]*?\s)?from\s*(['"])([^'"\n]+)\1/g,
  /\bimport\s*(['"])([^'"\n]+)\1/g,
  /\bimport\s*\(\s*(['"])([^'"\n]+)\1/g,
];

/** What a file imports, re-exports, imports for types or imports when it runs. */
export function importsOf(text: string): readonly string[] {
  return IMPORTS.flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[2] ?? ''));
}

/** Dynamic imports of something that isn't a plain string: nobody can tell where they lead. */
export function unreadableImports(text: string): readonly string[] {
  return [...text.matchAll(/\bimport\s*\(\s*(?!['"])[^)]*\)?/g)].map((match) => match[0]);
}
