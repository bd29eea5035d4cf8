package vfio.bench;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.BitSet;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import migration.region.DirtyBitmap;
import vfio.pci.api.device.DmaRange;

/**
 * How fast the dirty pages of 1 TiB of guest memory are set, counted and taken out, against the plainest loop over a {@code long[]}
 * with as many bits. One thread, no contention; all memory of the bitmap is there. The ways take turns.
 */
public final class DirtyBitmaps {
    private static final long PAGE = 4096;
    private static final long MEMORY = 1L << 40;
    private static final double GIBIBYTES = (double) MEMORY / (1 << 30);

    /** Of each page that is dirty among others, so many are not. */
    private static final long SPARSE = 100;

    /** One call for each page takes long enough for a part of the memory. */
    private static final int PART = 16;

    /** Memory of one report, as a move has it: a bitmap of 1 MiB. */
    private static final long PIECE = 1L << 35;

    /** Words that the plain scan takes in one call, so that it is compiled as others are. */
    private static final int SLICE = 512;

    private final int rounds;
    private final DirtyBitmap bitmap = new DirtyBitmap(PAGE, List.of(new DmaRange(0, MEMORY)));
    private final long[] plain = new long[(int) (MEMORY / PAGE / Long.SIZE)];

    private DirtyBitmaps(Settings settings) {
        rounds = settings.quick() ? 11 : 31;
        Arrays.fill(plain, -1);
    }

    /** What is done to the whole bitmap, and what is there before. */
    private enum Way {
        PLAIN("plain scan of a long[]") {
            @Override
            void prepare(DirtyBitmap bitmap, long[] plain) {
                Arrays.fill(plain, -1);
            }

            @Override
            long run(DirtyBitmap bitmap, long[] plain) {
                long count = 0;
                for (int from = 0; from < plain.length; from += SLICE) {
                    count += scan(plain, from, from + SLICE);
                }
                return count;
            }
        },
        SET("set, in one call") {
            @Override
            void prepare(DirtyBitmap bitmap, long[] plain) {
                drain(bitmap);
            }

            @Override
            long run(DirtyBitmap bitmap, long[] plain) {
                bitmap.mark(0, MEMORY);
                return PAGES;
            }
        },
        SET_PAGES("set, page by page", PART) {
            @Override
            void prepare(DirtyBitmap bitmap, long[] plain) {
                drain(bitmap);
            }

            @Override
            long run(DirtyBitmap bitmap, long[] plain) {
                for (long iova = 0; iova < MEMORY / PART; iova += PAGE) {
                    bitmap.mark(iova, PAGE);
                }
                return PAGES / PART;
            }
        },
        COUNT("count, all dirty") {
            @Override
            void prepare(DirtyBitmap bitmap, long[] plain) {
                bitmap.markAll();
            }

            @Override
            long run(DirtyBitmap bitmap, long[] plain) {
                return bitmap.count();
            }
        },
        DRAIN_ALL("drain, all dirty") {
            @Override
            void prepare(DirtyBitmap bitmap, long[] plain) {
                bitmap.markAll();
            }

            @Override
            long run(DirtyBitmap bitmap, long[] plain) {
                return drain(bitmap);
            }
        },
        REPORT("report, all dirty") {
            @Override
            void prepare(DirtyBitmap bitmap, long[] plain) {
                bitmap.markAll();
            }

            @Override
            long run(DirtyBitmap bitmap, long[] plain) {
                ByteBuffer piece = ByteBuffer.allocate((int) (PIECE / PAGE / Byte.SIZE));
                for (long iova = 0; iova < MEMORY; iova += PIECE) {
                    bitmap.report(iova, PIECE, piece);
                }
                return MEMORY / PIECE * BitSet.valueOf(piece).cardinality();
            }
        },
        DRAIN_SPARSE("drain, 1 page of " + SPARSE + " dirty") {
            @Override
            void prepare(DirtyBitmap bitmap, long[] plain) {
                drain(bitmap);
                for (long iova = 0; iova < MEMORY; iova += SPARSE * PAGE) {
                    bitmap.mark(iova, PAGE);
                }
            }

            @Override
            long run(DirtyBitmap bitmap, long[] plain) {
                return drain(bitmap) + PAGES - (PAGES + SPARSE - 1) / SPARSE;
            }
        },
        DRAIN_CLEAN("drain, none dirty") {
            @Override
            void prepare(DirtyBitmap bitmap, long[] plain) {
                drain(bitmap);
            }

            @Override
            long run(DirtyBitmap bitmap, long[] plain) {
                return drain(bitmap) + PAGES;
            }
        };

        private static final long PAGES = MEMORY / PAGE;

        private final String label;
        private final int part;

        Way(String label) {
            this(label, 1);
        }

        /** @param part the work is done for one of so many parts of the memory */
        Way(String label, int part) {
            this.label = label;
            this.part = part;
        }

        abstract void prepare(DirtyBitmap bitmap, long[] plain);

        /** Returns the number of pages, so that nothing of it is left out. */
        abstract long run(DirtyBitmap bitmap, long[] plain);

        private static long scan(long[] words, int from, int to) {
            long count = 0;
            for (int word = from; word < to; word++) {
                count += Long.bitCount(words[word]);
            }
            return count;
        }

        private static long drain(DirtyBitmap bitmap) {
            Total total = new Total();
            bitmap.drain(total);
            return total.pages;
        }
    }

    /** Counts the pages that are taken out. */
    private static final class Total implements DirtyBitmap.Words {
        private long pages;

        @Override
        public void word(long page, long bits) {
            pages += Long.bitCount(bits);
        }
    }

    /**
     * Prints one table.
     *
     * @param arguments see {@link Settings}
     */
    public static void main(String[] arguments) {
        new DirtyBitmaps(Settings.parse(arguments)).run();
    }

    private void run() {
        bitmap.markAll();
        Map<Way, double[]> rates = new EnumMap<>(Way.class);
        for (Way way : Way.values()) {
            rates.put(way, new double[rounds]);
        }
        for (int round = -rounds / 3; round < rounds; round++) {
            for (Map.Entry<Way, double[]> entry : rates.entrySet()) {
                double rate = rate(entry.getKey());
                if (round >= 0) {
                    entry.getValue()[round] = rate;
                }
            }
        }
        double[] scan = rates.getOrDefault(Way.PLAIN, new double[0]);
        Table table = new Table("Dirty bitmap of 1 TiB in pages of 4 KiB", "GiB/s", "ns/page", "ratio of rounds");
        rates.forEach((way, perSecond) -> {
            double[] ratios = new double[rounds];
            Arrays.setAll(ratios, round -> perSecond[round] / scan[round]);
            double median = Samples.median(perSecond);
            table.row(
                    way.label,
                    Table.number(median),
                    String.format(Locale.ROOT, "%.3f", GIBIBYTES * 1e9 / median / Way.PAGES),
                    Table.spread(ratios));
        });
        System.out.print(table);
        System.out.println("GiB of guest memory; reference: " + Way.PLAIN.label + ". " + rounds
                + " rounds, one thread; median (lowest - highest).");
    }

    private double rate(Way way) {
        way.prepare(bitmap, plain);
        long start = System.nanoTime();
        long pages = way.run(bitmap, plain);
        long nanos = System.nanoTime() - start;
        if (pages != Way.PAGES / way.part) {
            throw new IllegalStateException("'" + way.label + "' met " + pages + " pages of " + Way.PAGES);
        }
        return GIBIBYTES / way.part * 1e9 / nanos;
    }
}
