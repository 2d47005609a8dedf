import test from 'ava';
import { careForHeap, type HeapFacts } from '../../../agent/heap-care.js';
import { FakeClock } from '../../../proxy/time/clock.js';
import { withoutDescriptors } from '../../support/without-descriptors.js';

const MB = 1 << 20;

/** A heap of which `living` lives. */
class Heap implements HeapFacts {
  collections = 0;
  load = 0;
  constructor(
    public bytes: number,
    public living: number,
  ) {}
  used(): number {
    return this.bytes;
  }
  busy(): number {
    return this.load;
  }
  collect(): void {
    this.collections++;
    this.bytes = this.living;
  }
}

test('a heap that has grown is collected twice once its thread is idle, and then not again', (t) => {
  const clock = new FakeClock();
  const heap = new Heap(50 * MB, 40 * MB);
  const end = careForHeap(clock, heap);
  clock.advance(5000);
  t.deepEqual([heap.collections, heap.bytes], [1, 40 * MB], 'what the start has left');
  clock.advance(60_000);
  t.is(heap.collections, 2);
  heap.bytes = 100 * MB;
  heap.load = 0.5;
  clock.advance(20_000);
  t.is(heap.collections, 2, 'there is other work');
  heap.load = 0.1;
  clock.advance(5000);
  t.deepEqual([heap.collections, heap.bytes], [3, 40 * MB]);
  heap.bytes += 11 * MB;
  clock.advance(60_000);
  t.is(heap.collections, 4);
  heap.bytes = 51 * MB;
  clock.advance(60_000);
  t.is(heap.collections, 4, 'too little to be worth it');
  heap.bytes = 52 * MB;
  clock.advance(5000);
  t.is(heap.collections, 5);
  end();
  clock.advance(60_000);
  t.is(heap.collections, 5, 'ended');
});

test('what V8 has collected by itself is where growth is counted from', (t) => {
  const clock = new FakeClock();
  const heap = new Heap(50 * MB, 50 * MB);
  careForHeap(clock, heap);
  clock.advance(10_000);
  t.is(heap.collections, 2);
  heap.bytes = 30 * MB;
  clock.advance(5000);
  heap.bytes = 43 * MB;
  clock.advance(5000);
  t.is(heap.collections, 3);
});

test('of this process', (t) => {
  const clock = new FakeClock();
  const end = careForHeap(clock);
  const kept = Array.from({ length: 400_000 }, (_, index) => ({ index }));
  t.notThrows(() => clock.advance(5000));
  t.is(kept.length, 400_000);
  end();
});

test('the heap is looked at where no file may be opened any more', async (t) => {
  const heapCare = new URL('../../../agent/heap-care.js', import.meta.url).href;
  const output = await withoutDescriptors(
    `import { careForHeap } from '${heapCare}';`,
    "careForHeap({ now: () => 0, after: () => () => undefined }); console.log('looked');",
  );
  t.is(output, 'looked\n');
});
