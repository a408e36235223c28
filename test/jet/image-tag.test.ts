import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { isSlipwayError } from '../../src/errors.ts';
import { imageTag } from '../../src/jet/image-tag.ts';
import { isTag } from '../../src/oci/reference.ts';
import { textValue } from './value.ts';

const TEXTS = {
  ServiceName: 'sandbox-app',
  Branch: 'v0.2.6',
  CommitID: '80fca19ed5965bfe10532c531e62262324ef085d',
  CiName: 'codeship',
  CommitMessage: 'Add "quotes" & <tags>\n',
};
/** A Friday. */
const TIME = new Date('2026-01-02T03:04:05Z');

async function tagOf(t: TestContext, text: string, more: Record<string, string> = {}) {
  return await imageTag(await textValue(t, text), { time: TIME, texts: { ...TEXTS, ...more } });
}

test('the documented templates give the documented tags', async (t) => {
  const cases: readonly (readonly [string, string, Record<string, string>?])[] = [
    ['{{.ServiceName}}.{{.Branch}}', 'sandbox-app.v0.2.6'],
    ['{{ .CommitID }}', TEXTS.CommitID],
    ['{{ .CiName }}-{{ .Branch }}', 'codeship-master', { Branch: 'master' }],
    ['{{.Branch}}', 'featurex', { Branch: 'feature/x' }],
    ['dev', 'dev'],
  ];
  for (const [text, tag, more] of cases) assert.equal(await tagOf(t, text, more), tag);
});

test('the whole language of templates is there', async (t) => {
  assert.equal(await tagOf(t, '{{ if eq .Branch "v0.2.6" }}yes{{ else }}no{{ end }}'), 'yes');
  assert.equal(await tagOf(t, '{{ printf "%.7s" .CommitID }}'), '80fca19');
  assert.equal(await tagOf(t, '{{ slice .CommitID 0 4 }}-{{ len .CiName }}'), '80fc-8');
  assert.equal(
    await tagOf(t, '{{ with $x := .CiName }}{{ $x }}{{ end }}{{ .Ci }}'),
    'codeshiptrue',
  );
});

test('methods of the time give what Go gives', async (t) => {
  const cases = {
    '{{ .Time.Format "2006-01-02T15.04.05" }}': '2026-01-02T03.04.05',
    '{{ .Time.Format `Jan _2 3PM Mon 06` }}': 'Jan23AMFri26',
    '{{ .Time.UTC.Format "20060102" }}': '20260102',
    '{{ $.Time.Unix }}': '1767323045',
    '{{ .Time.Year }}.{{ .Time.YearDay }}.{{ .Time.Month }}': '2026.2.January',
    '{{ printf "%s" (.Time.Format "15h") }}': '03h',
    '{{ .Time }}': '2026-01-020304050000UTC',
    '{{ "it.Time.Year .Time.Year" }}.Time.Year': 'it.Time.Year.Time.Year.Time.Year',
  };
  for (const [text, tag] of Object.entries(cases)) {
    assert.equal(await tagOf(t, text), tag.replaceAll(/[^\w.-]/g, ''), text);
  }
});

test('whatever comes out is a tag, or is refused', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.string({ maxLength: 300 }), async (text) => {
      fc.pre(!text.includes('{{'));
      try {
        assert.ok(isTag(await tagOf(t, text)));
      } catch (error) {
        assert.ok(isSlipwayError(error, 'CONFIG_INVALID'));
      }
    }),
    { numRuns: 200 },
  );
  assert.equal(await tagOf(t, '.-a/b c'), 'abc');
  assert.equal((await tagOf(t, 'x'.repeat(500))).length, 128);
});

test('a template that fails says where and why', async (t) => {
  const refusals: Readonly<Record<string, RegExp>> = {
    '{{ .CommitId }}': /it.yml, line 1: it is a template that fails: .*"CommitId"/,
    '{{ .Branch ': /unclosed action/,
    '{{ nope }}': /function "nope" not defined/,
    '{{ .Time.Add 5 }}': /\.Time\.Add is not known/,
    '{{ .Time.Format }}': /needs a layout/,
    '{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}': /template that fails/,
    '{{ .Branch.Name }}': /can't evaluate field Name/,
    '///': /nothing is left of "\/\/\/"/,
    '{{ "/" }}': /nothing is left/,
    [`{{ ${' '.repeat(5000)} .Branch }}`]: /longer than 4096/,
  };
  for (const [text, said] of Object.entries(refusals)) {
    await assert.rejects(tagOf(t, text), (error) => {
      assert.ok(isSlipwayError(error, 'CONFIG_INVALID'));
      assert.match(error.message, said);
      return true;
    });
  }
});

/** 2^40 calls, in 2000 characters. */
const MANY_CALLS = [
  ...Array.from({ length: 40 }, (_, at) => {
    const call = `{{template "${at}"}}`;
    return `{{define "${at + 1}"}}${call}${call}{{end}}`;
  }),
  '{{define "0"}}{{end}}{{template "40"}}',
].join('');

test('a template that would take all memory or go on for ever is stopped, and the next one works', async (t) => {
  const doubled = '{{ $a = print $a $a }}'.repeat(13);
  const greedy: Readonly<Record<string, RegExp>> = {
    [`{{ $a := printf "%1000000s" "x" }}${doubled}{{ len $a }}`]: /needs more than 128 MiB/,
    '{{ printf "%1000000s" "x" }}': /gives more than 65536 characters/,
    [MANY_CALLS]: /takes more than 2 seconds/,
  };
  for (const [text, said] of Object.entries(greedy)) {
    await assert.rejects(tagOf(t, text), (error) => {
      assert.ok(isSlipwayError(error, 'CONFIG_INVALID'));
      assert.match(error.message, said);
      return true;
    });
    assert.equal(await tagOf(t, '{{ .CiName }}'), 'codeship');
  }
  assert.ok(process.memoryUsage().rss < 1_000_000_000);
});
