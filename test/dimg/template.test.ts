import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { parse } from '@evertdespiegeleer/go-template';
import { readProject } from '../../src/dimg/project.ts';
import type { Value } from '../../src/dimg/template/functions.ts';
import { renderTemplate } from '../../src/dimg/template/render.ts';
import { tempDir } from '../rig/lifetime.ts';

const DATA = {
  name: 'shop',
  n: 3,
  yes: true,
  no: false,
  list: ['a', 'b', 'c'],
  empty: [],
  map: { x: '1', y: '2' },
};

function asValue(json: unknown): Value {
  if (Array.isArray(json)) return json.map(asValue);
  if (typeof json !== 'object' || json === null) return json as Value;
  return new Map(Object.entries(json).map(([key, each]) => [key, asValue(each)]));
}

const render = (text: string) =>
  renderTemplate({ file: 'f', name: '', text }, [], asValue(DATA), { env: () => 'E' });

describe('templates', () => {
  /** What Go's own engine, compiled, makes of these is what we make of them. */
  for (const text of [
    'plain { } text }}',
    'a {{ .name }} b {{- .n -}} c',
    '{{/* a comment }} */}}x {{- /* more */ -}} y',
    '{{ "a\\tb \\"q\\" }}" }}{{ `raw }} "x"` }}',
    '{{ if .yes }}1{{ else }}2{{ end }}{{ if .no }}1{{ else if .n }}3{{ else }}2{{ end }}',
    '{{ if not .no }}1{{ end }}{{ if and .yes .name }}2{{ end }}{{ if or .no .empty "x" }}3{{ end }}',
    '{{ if eq .name "x" "shop" }}same{{ end }}{{ if ne .n 3.0 }}other{{ end }}',
    '{{ range .list }}[{{ . }}]{{ end }}{{ range .empty }}x{{ else }}none{{ end }}',
    '{{ range $i, $v := .list }}{{ $i }}={{ $v }};{{ end }}{{ range $k, $v := .map }}{{ $k }}{{ $v }}{{ end }}',
    '{{ with .name }}<{{ . }} {{ $.n }}>{{ end }}{{ with .no }}x{{ else }}y{{ end }}',
    '{{ $x := .name }}{{ if .yes }}{{ $x = "new" }}{{ $y := "inner" }}{{ $y }}{{ end }}{{ $x }}',
    '{{ define "t" }}({{ . }}){{ end }}{{ template "t" .name }}{{ template "t" }}',
    '{{ .name | printf "%s-%v" "x" }}{{ printf "%v%% %q" .n .name }}{{ len .list }}{{ len .name }}',
    '{{ index .list 1 }}{{ index .map "x" }}{{ .map.y }}{{ print "a" "b" }}{{ (index .list 0) }}',
    '{{ .map }}{{ .list }}{{ .yes }}',
    '  {{- "x" -}}  \n  {{ "y" }}  ',
    '{{ range .list }}{{ if eq . "b" }}{{ $.name }}{{ else }}-{{ end }}{{ end }}',
  ]) {
    it(`say what Go says: ${text.slice(0, 40)}`, async () => {
      assert.equal(render(text), await parse(text, DATA));
    });
  }

  it('know the functions of sprig that configurations use', () => {
    const text = `{{ env "X" }} {{ "" | default "d" | quote }} {{ "a-b" | replace "-" "_" | upper }}
{{- list "x" "y" | join "," }} {{ ternary "t" "f" false }} {{ "a\\nb" | nindent 2 }}
{{ define "d" }}in {{ . }}{{ end }}{{ include "d" "q" | squote }} {{ (dict "k" "v").k }} {{ splitList "." "a.b" | len }}`;
    assert.throws(() => render(text), /only a function takes arguments/);
    const fine = text.replace('(dict "k" "v").k', 'index (dict "k" "v") "k"');
    assert.equal(render(fine), 'E "d" A_Bx,y f \n  a\n  b\n\'in q\' v 2');
  });

  for (const [text, says] of [
    ['a\n{{ nope }}', /^f:2: the function "nope" is not supported$/],
    ['{{ if .x }}', /^f:1: a block has no \{\{ end \}\}$/],
    ['\n\n{{ end }}', /^f:3: end belongs to nothing$/],
    ['{{ .x', /^f:1: an action \{\{ has no end \}\}$/],
    ['{{ .a.b }}', /^f:1: there is nothing called \.a\.b$/],
    ['{{ }}', /^f:1: an action says nothing$/],
    ['{{ constructor }}', /"constructor" is not supported/],
    ['{{ $x }}', /^f:1: \$x is not set$/],
    ['{{ "a" "b" }}', /only a function takes arguments/],
    ['{{ template "t" }}', /there is no template "t"/],
    ['{{ define "t" }}{{ template "t" }}{{ end }}{{ template "t" }}', /use each other without end/],
    ['{{ ( }}', /a \( has no \)/],
    [`{{ $x := "aaaaaaaa" }}${'{{ $x = printf "%s%s" $x $x }}'.repeat(40)}`, /too long a text/],
  ] as const) {
    it(`are refused with their line: ${JSON.stringify(text.slice(0, 30))}`, () => {
      let message = '';
      try {
        render(text);
      } catch (error) {
        message = (error as Error).message;
      }
      assert.match(message, says);
    });
  }

  it('of a project read its files, and nothing else', async (t) => {
    const folder = await tempDir(t);
    const write = (name: string, text: string) => writeFile(path.join(folder, name), text);
    await mkdir(path.join(folder, '.werf/parts'), { recursive: true });
    await write('.werf/parts/base.tmpl', '{{ define "base" }}from: {{ . }}{{ end }}');
    await write('names', 'one');
    const text = `dimg: {{ .Files.Get "names" | quote }}\n{{ template "base" (env "BASE" | default "debian") }}\n`;
    await write('werf.yaml', text);
    const [image] = (await readProject(folder, { BASE: 'alpine' })).images;
    assert.deepEqual([image?.name, image?.base], ['one', { kind: 'from', image: 'alpine' }]);
    await symlink('/etc/hostname', path.join(folder, 'link'));
    for (const name of ['../../etc/hostname', '/etc/../../x', 'link', 'missing', '.']) {
      await write('werf.yaml', `dimg: {{ .Files.Get ${JSON.stringify(name)} }}\nfrom: a\n`);
      await assert.rejects(readProject(folder, {}), { code: 'FILE_NOT_FOUND' });
    }
  });
});
