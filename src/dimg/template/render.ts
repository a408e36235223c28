import { FUNCTIONS, isTrue, shown, type TemplateFunction, type Value } from './functions.ts';
import { templateProblem } from './lex.ts';
import {
  type Command,
  type Operand,
  type Pipeline,
  parseTemplate,
  type Template,
  type TemplateNode,
} from './parse.ts';

/** A file of templates. */
export interface TemplateFile {
  /** for errors */
  readonly file: string;
  /** what others call it by */
  readonly name: string;
  readonly text: string;
}

const MAX_BYTES = 4 * 1024 * 1024;
const MAX_STEPS = 200_000;
const MAX_DEPTH = 50;

/** Variables of the blocks around an action, the innermost last. */
type Scopes = readonly Map<string, Value>[];

/**
 * What a file of Go's text/template says: its own actions, and the functions of
 * {@link FUNCTIONS}, `include` and those that are given.
 *
 * @param others whose templates it can use
 * @throws SlipwayError `CONFIG_INVALID` with file and line
 */
export function renderTemplate(
  main: TemplateFile,
  others: readonly TemplateFile[],
  data: Value,
  given: Readonly<Record<string, TemplateFunction>> = {},
): string {
  const named = new Map<string, { readonly file: string; readonly nodes: Template['nodes'] }>();
  for (const { file, name, text } of others) {
    const { nodes, defined } = parseTemplate(file, text);
    named.set(name, { file, nodes });
    for (const [inner, its] of defined) named.set(inner, { file, nodes: its });
  }
  const parsed = parseTemplate(main.file, main.text);
  for (const [name, nodes] of parsed.defined) named.set(name, { file: main.file, nodes });
  let { file } = main;
  let steps = 0;
  let depth = 0;
  const wrong = (line: number, message: string) => templateProblem(file, line, message);
  const step = (line: number): void => {
    steps++;
    if (steps > MAX_STEPS) throw wrong(line, 'the template does not come to an end');
  };

  const use = (name: string, dot: Value, line: number): string => {
    const found = named.get(name);
    if (found === undefined) throw wrong(line, `there is no template ${JSON.stringify(name)}`);
    if (depth >= MAX_DEPTH) throw wrong(line, `templates use each other without end: ${name}`);
    depth++;
    const above = file;
    file = found.file;
    try {
      return render(found.nodes, dot, [new Map([['$', dot]])]);
    } finally {
      file = above;
      depth--;
    }
  };

  const render = (nodes: readonly TemplateNode[], dot: Value, scopes: Scopes): string => {
    let out = '';
    for (const node of nodes) {
      out += renderNode(node, dot, scopes);
      if (out.length > MAX_BYTES) throw wrong(1, 'the template gives too long a text');
    }
    return out;
  };

  const renderNode = (node: TemplateNode, dot: Value, scopes: Scopes): string => {
    if (node.kind === 'text') return node.text;
    if (node.kind === 'template') {
      step(node.line);
      const given = node.pipeline === undefined ? undefined : evaluate(node.pipeline, dot, scopes);
      return use(node.name, given, node.line);
    }
    step(node.pipeline.line);
    if (node.kind === 'output') {
      const value = evaluate(node.pipeline, dot, scopes);
      return node.pipeline.variables.length > 0 ? '' : shown(value);
    }
    const inner = [...scopes, new Map<string, Value>()];
    if (node.kind === 'range') return renderRange(node, dot, inner);
    const value = evaluate(node.pipeline, dot, inner);
    if (!isTrue(value)) return render(node.otherwise, dot, [...inner, new Map()]);
    return render(node.then, node.kind === 'with' ? value : dot, [...inner, new Map()]);
  };

  const renderRange = (
    { pipeline, then, otherwise }: Extract<TemplateNode, { kind: 'if' | 'with' | 'range' }>,
    dot: Value,
    scopes: Scopes,
  ): string => {
    const value = evaluate({ ...pipeline, variables: [] }, dot, scopes);
    const entries: readonly (readonly [Value, Value])[] =
      value instanceof Map
        ? [...value].sort(([a], [b]) => (a < b ? -1 : 1))
        : Array.isArray(value)
          ? value.map((each, at) => [at, each])
          : [];
    if (entries.length === 0) return render(otherwise, dot, scopes);
    const { variables } = pipeline;
    let out = '';
    for (const [key, each] of entries) {
      step(pipeline.line);
      const values = variables.length > 1 ? [key, each] : [each];
      const own = new Map(variables.map((variable, at) => [variable, values[at]]));
      out += render(then, each, [...scopes, own]);
    }
    return out;
  };

  const evaluate = (pipeline: Pipeline, dot: Value, scopes: Scopes): Value => {
    const { commands, variables, isNew, line } = pipeline;
    let value: Value;
    for (const [at, command] of commands.entries()) {
      value = run(command, at === 0 ? [] : [value], dot, scopes, line);
    }
    if (typeof value === 'string' && value.length > MAX_BYTES) {
      throw wrong(line, 'the template gives too long a text');
    }
    for (const variable of variables) {
      const scope = isNew ? scopes.at(-1) : scopes.findLast((each) => each.has(variable));
      if (scope === undefined) throw wrong(line, `${variable} is not set yet`);
      scope.set(variable, value);
    }
    return value;
  };

  const run = (
    [first, ...rest]: Command,
    piped: readonly Value[],
    dot: Value,
    scopes: Scopes,
    line: number,
  ): Value => {
    if (first === undefined) return undefined;
    const given_ = () => [...rest.map((each) => operand(each, dot, scopes, line)), ...piped];
    const value = operand(first, dot, scopes, line);
    if (typeof value === 'function') return value(...given_());
    if (rest.length > 0 || piped.length > 0) throw wrong(line, 'only a function takes arguments');
    return value;
  };

  const operand = (word: Operand, dot: Value, scopes: Scopes, line: number): Value => {
    switch (word.kind) {
      case 'string':
      case 'number':
        return word.value;
      case 'group':
        return evaluate(word.pipeline, dot, scopes);
      case 'name':
        return named_(word.value, line);
      case 'path': {
        let value = dot;
        if (word.variable !== undefined) {
          const { variable } = word;
          const scope = scopes.findLast((each) => each.has(variable));
          if (scope === undefined) throw wrong(line, `${variable} is not set`);
          value = scope.get(variable);
        }
        for (const field of word.fields) {
          if (!(value instanceof Map && value.has(field))) {
            throw wrong(line, `there is nothing called .${word.fields.join('.')}`);
          }
          value = value.get(field);
        }
        return value;
      }
    }
  };

  const named_ = (name: string, line: number): Value => {
    if (name === 'true' || name === 'false') return name === 'true';
    if (name === 'nil') return undefined;
    if (name === 'include') return (template, dot) => use(shown(template), dot, line);
    const known = Object.hasOwn(given, name)
      ? given[name]
      : Object.hasOwn(FUNCTIONS, name)
        ? FUNCTIONS[name]
        : undefined;
    if (known !== undefined) return known;
    throw wrong(line, `the function ${JSON.stringify(name)} is not supported`);
  };

  return render(parsed.nodes, data, [new Map([['$', data]])]);
}
