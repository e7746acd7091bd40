// Tests of the filter pipeline: what reaches which filter and the far end, for each way to stop and go on.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type DataFrame, DataStatus, HeadersStatus, type HttpFilter, TrailersStatus } from './filter.ts';
import { FilterPipeline, type PipelineEnds } from './filter-pipeline.ts';

/** A filter that answers from a script and writes down what it sees. */
class Scripted {
  readonly seen: string[] = [];
  headers: HeadersStatus = HeadersStatus.Continue;
  data: DataStatus = DataStatus.Continue;
  trailers: TrailersStatus = TrailersStatus.Continue;
  onData: (frame: DataFrame) => void = () => {};
  onHeaders: () => void = () => {};
  /** It has made trailers with the end of the data. */
  addedTrailers = false;
  readonly filter = {} as HttpFilter;
}

function pipelineOf(filters: Scripted[], limitBytes = 100) {
  const far: string[] = [];
  const owner = (filter: HttpFilter) => filters.find(scripted => scripted.filter === filter)!;
  const ends: PipelineEnds = {
    hasHeadersCallback: () => true,
    hasDataCallback: () => true,
    hasTrailersCallback: () => true,
    callHeaders(filter, end) {
      owner(filter).seen.push(`headers${end ? ' end' : ''}`);
      owner(filter).onHeaders();
      return owner(filter).headers;
    },
    callData(filter, frame, end) {
      owner(filter).seen.push(`data ${frame.bytes}${end ? ' end' : ''}`);
      owner(filter).onData(frame);
      return owner(filter).data;
    },
    callTrailers(filter) {
      owner(filter).seen.push('trailers');
      return owner(filter).trailers;
    },
    announcesLength: true,
    announceLength: (size, whole) => void far.push(`length ${whole ? size : 'unknown'}`),
    deliverHeaders: end => void far.push(`headers${end ? ' end' : ''}`),
    deliverData: (bytes, end) => void far.push(`data ${bytes}${end ? ' end' : ''}`),
    get hasTrailers() {
      return filters.some(({ addedTrailers }) => addedTrailers);
    },
    deliverTrailers: () => void far.push('trailers'),
    overflow: () => {
      far.push('overflow');
      pipeline.aborted = true;
    },
    pauseSource: paused => void far.push(paused ? 'paused' : 'resumed'),
  };
  const pipeline = new FilterPipeline(ends);
  pipeline.reset(limitBytes);
  for (const { filter } of filters) pipeline.add(filter);
  return { pipeline, far };
}

const bytes = (text: string) => Buffer.from(text);

test('everything passes through filters that continue', () => {
  const [a, b] = [new Scripted(), new Scripted()];
  const { pipeline, far } = pipelineOf([a, b]);
  pipeline.headers(false);
  pipeline.data(bytes('x'), false);
  pipeline.data(bytes('y'), false);
  pipeline.trailers();
  const all = ['headers', 'data x', 'data y', 'trailers'];
  assert.deepEqual([a.seen, b.seen, far], [all, all, all]);
});

for (const [name, status] of [
  ['StopAllIterationAndBuffer', HeadersStatus.StopAllIterationAndBuffer],
  ['StopAllIterationAndWatermark', HeadersStatus.StopAllIterationAndWatermark],
] as const) {
  test(`${name}: nothing is shown or passed on until continue(), then all of it, to the same filter first`, () => {
    const [a, b] = [new Scripted(), new Scripted()];
    a.headers = status;
    const { pipeline, far } = pipelineOf([a, b]);
    pipeline.headers(false);
    pipeline.data(bytes('x'), false);
    pipeline.data(bytes('y'), true);
    assert.deepEqual([a.seen, b.seen, far], [['headers'], [], []]);
    pipeline.continue(a.filter);
    assert.deepEqual(a.seen, ['headers', 'data xy end']);
    assert.deepEqual(far, ['headers', 'data xy end']);
    pipeline.continue(a.filter);
    assert.equal(far.length, 2);
  });
}

test('StopIteration in headers shows data to the filter, and Continue for data releases the headers first', () => {
  const [a, b] = [new Scripted(), new Scripted()];
  a.headers = HeadersStatus.StopIteration;
  a.data = DataStatus.StopIterationAndBuffer;
  const { pipeline, far } = pipelineOf([a, b]);
  pipeline.headers(false);
  pipeline.data(bytes('x'), false);
  a.data = DataStatus.Continue;
  pipeline.data(bytes('y'), true);
  assert.deepEqual(a.seen, ['headers', 'data x', 'data y end']);
  assert.deepEqual(b.seen, ['headers', 'data xy end']);
  assert.deepEqual(far, ['headers', 'data xy end']);
});

test('a header-only request that stops goes on with its end', () => {
  const a = new Scripted();
  a.headers = HeadersStatus.StopIteration;
  const { pipeline, far } = pipelineOf([a]);
  pipeline.headers(true);
  pipeline.continue(a.filter);
  assert.deepEqual(far, ['headers end']);
});

test('StopIterationNoBuffer drops what the filter has taken', () => {
  const a = new Scripted();
  a.data = DataStatus.StopIterationNoBuffer;
  const { pipeline, far } = pipelineOf([a]);
  pipeline.headers(false);
  pipeline.data(bytes('x'), false);
  a.data = DataStatus.Continue;
  pipeline.data(bytes('y'), true);
  assert.deepEqual(far, ['headers', 'data y end']);
});

test('a filter changes data by assigning the frame', () => {
  const [a, b] = [new Scripted(), new Scripted()];
  a.onData = frame => {
    frame.bytes = bytes(frame.bytes.toString().toUpperCase());
  };
  const { pipeline, far } = pipelineOf([a, b]);
  pipeline.headers(false);
  pipeline.data(bytes('abc'), true);
  assert.deepEqual([b.seen[1], far[1]], ['data ABC end', 'data ABC end']);
});

test('buffering over the limit overflows, a watermark pauses the source and lets it go on', () => {
  const buffering = new Scripted();
  buffering.data = DataStatus.StopIterationAndBuffer;
  const first = pipelineOf([buffering], 3);
  first.pipeline.headers(false);
  first.pipeline.data(bytes('1234'), false);
  assert.deepEqual(first.far, ['headers', 'overflow']);
  const marking = new Scripted();
  marking.data = DataStatus.StopIterationAndWatermark;
  const second = pipelineOf([marking], 3);
  second.pipeline.headers(false);
  second.pipeline.data(bytes('1234'), false);
  second.pipeline.continue(marking.filter);
  assert.deepEqual(second.far, ['headers', 'paused', 'resumed', 'data 1234']);
});

test('trailers wait for a filter that stops, and take held data along', () => {
  const a = new Scripted();
  a.data = DataStatus.StopIterationAndBuffer;
  a.trailers = TrailersStatus.StopIteration;
  const { pipeline, far } = pipelineOf([a]);
  pipeline.headers(false);
  pipeline.data(bytes('x'), false);
  pipeline.trailers();
  assert.deepEqual(far, ['headers']);
  pipeline.continue(a.filter);
  assert.deepEqual(far, ['headers', 'data x', 'trailers']);
});

test('data added to a request without a body makes it one', () => {
  const [a, b] = [new Scripted(), new Scripted()];
  const { pipeline, far } = pipelineOf([a, b]);
  a.onHeaders = () => pipeline.addData(a.filter, bytes('added'), false);
  pipeline.headers(true);
  assert.deepEqual(b.seen, ['headers', 'data added end']);
  assert.deepEqual(far, ['headers', 'data added end']);
});

test('nothing is delivered once the pipeline is aborted', () => {
  const a = new Scripted();
  const { pipeline, far } = pipelineOf([a]);
  a.onHeaders = () => {
    pipeline.aborted = true;
  };
  pipeline.headers(false);
  pipeline.continue(a.filter);
  pipeline.addData(a.filter, bytes('x'), false);
  assert.deepEqual(far, []);
});

test('whatever filters answer, bytes arrive once, in order and behind the headers', () => {
  const headersStatus = fc.constantFrom(0, 1, 3, 4) as fc.Arbitrary<HeadersStatus>;
  const dataStatus = fc.constantFrom(0, 1, 2) as fc.Arbitrary<DataStatus>;
  const script = fc.record({ headers: headersStatus, data: dataStatus });
  fc.assert(
    fc.property(
      fc.array(script, { minLength: 1, maxLength: 4 }),
      fc.array(fc.string({ maxLength: 5 }), { maxLength: 5 }),
      (scripts, pieces) => {
        const filters = scripts.map(({ headers, data }) => Object.assign(new Scripted(), { headers, data }));
        const { pipeline, far } = pipelineOf(filters, 1e6);
        pipeline.headers(pieces.length === 0);
        for (const [index, piece] of pieces.entries())
          pipeline.data(bytes(piece), index === pieces.length - 1);
        for (const scripted of filters) scripted.data = DataStatus.Continue;
        for (const { filter } of filters) pipeline.continue(filter);
        assert.match(far[0]!, /^headers/);
        assert.equal(far.filter(line => line.startsWith('headers')).length, 1);
        const text = far
          .slice(1)
          .map(line => line.replace(/^data /, '').replace(/ end$/, ''))
          .join('');
        assert.equal(text, pieces.map(piece => bytes(piece).toString()).join(''));
        assert.equal(far.filter(line => line.endsWith(' end')).length, 1);
      },
    ),
    { numRuns: 500 },
  );
});

test('headers held whole, then the body held: trailers that came meanwhile are still shown and let everything go', () => {
  const a = new Scripted();
  a.headers = HeadersStatus.StopAllIterationAndWatermark;
  a.data = DataStatus.StopIterationAndBuffer;
  const { pipeline, far } = pipelineOf([a]);
  pipeline.headers(false);
  pipeline.data(bytes('x'), false);
  pipeline.trailers();
  pipeline.continue(a.filter);
  assert.deepEqual(a.seen, ['headers', 'data x', 'trailers']);
  assert.deepEqual(far, ['headers', 'data x', 'trailers']);
});

test('S50: trailers made with the end of the data follow it, for the filters behind the one that made them', () => {
  const [a, b, c] = [new Scripted(), new Scripted(), new Scripted()];
  b.onData = () => {
    b.addedTrailers = true;
  };
  const { pipeline, far } = pipelineOf([a, b, c]);
  pipeline.headers(false);
  pipeline.data(bytes('x'), true);
  assert.deepEqual(a.seen, ['headers', 'data x end']);
  assert.deepEqual(b.seen, ['headers', 'data x end']);
  assert.deepEqual(c.seen, ['headers', 'data x', 'trailers']);
  assert.deepEqual(far, ['headers', 'data x', 'trailers']);
});

test('S50: made trailers wait while the filter that made them holds the data', () => {
  const [a, b] = [new Scripted(), new Scripted()];
  a.data = DataStatus.StopIterationAndBuffer;
  a.onData = () => {
    a.addedTrailers = true;
  };
  const { pipeline, far } = pipelineOf([a, b]);
  pipeline.headers(false);
  pipeline.data(bytes('x'), true);
  assert.deepEqual(far, ['headers']);
  pipeline.continue(a.filter);
  assert.deepEqual(a.seen, ['headers', 'data x end']);
  assert.deepEqual(b.seen, ['headers', 'data x', 'trailers']);
  assert.deepEqual(far, ['headers', 'data x', 'trailers']);
});

for (const [what, headers, data] of [
  ['the data', HeadersStatus.Continue, DataStatus.StopIterationAndBuffer],
  ['everything', HeadersStatus.StopAllIterationAndWatermark, DataStatus.Continue],
] as const) {
  test(`S50: made trailers reach a later filter that holds ${what}, and leave behind the data`, () => {
    const [a, b] = [new Scripted(), new Scripted()];
    a.onData = () => {
      a.addedTrailers = true;
    };
    Object.assign(b, { headers, data });
    const { pipeline, far } = pipelineOf([a, b]);
    pipeline.headers(false);
    pipeline.data(bytes('x'), true);
    b.data = DataStatus.Continue;
    pipeline.continue(b.filter);
    assert.deepEqual(b.seen, ['headers', 'data x', 'trailers']);
    assert.deepEqual(far, ['headers', 'data x', 'trailers']);
  });
}

test('headers that announce the length of a body which may be changed wait for its first piece', () => {
  const a = new Scripted();
  const { pipeline, far } = pipelineOf([a]);
  pipeline.mayChange = true;
  pipeline.headers(false);
  assert.deepEqual([far, pipeline.headWaits], [[], true]);
  pipeline.data(bytes('x'), false);
  pipeline.data(bytes('y'), true);
  assert.deepEqual(far, ['headers', 'data x', 'data y end']);
});

test('a body that was changed is announced as it is: its length where that is known', () => {
  for (const [end, announced] of [
    [true, 'length 3'],
    [false, 'length unknown'],
  ] as const) {
    const a = new Scripted();
    const { pipeline, far } = pipelineOf([a]);
    pipeline.mayChange = true;
    a.onData = frame => {
      frame.bytes = bytes('new');
      pipeline.changed = true;
    };
    pipeline.headers(false);
    pipeline.data(bytes('x'), end);
    assert.deepEqual(far.slice(0, 2), [announced, 'headers']);
  }
});

test('headers of a message without a body wait for nothing', () => {
  const { pipeline, far } = pipelineOf([new Scripted()]);
  pipeline.mayChange = true;
  pipeline.headers(true);
  assert.deepEqual(far, ['headers end']);
});
