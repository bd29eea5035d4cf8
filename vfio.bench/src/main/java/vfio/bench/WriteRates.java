package vfio.bench;

import java.io.IOException;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import vfio.pci.api.pci.PciRegion;
import vfio.user.client.RegionWrite;
import vfio.user.client.VfioUserClient;

/**
 * Trapped 4-byte writes per second over one connection: each waited for, posted (NO_REPLY), and many in one message
 * (REGION_WRITE_MULTI). A series ends with a read, so every write of it has been done when the clock stops.
 */
public final class WriteRates {
    private static final String DEVICE = "0000:03:02.0";

    /** Storage on the page of VFGEN_RSTAT, which cannot be mapped. */
    private static final long REGISTER = 0x8100;

    /** As many as QEMU puts into one message. */
    private static final int AT_ONCE = 200;

    private static final List<RegionWrite> WRITES =
            Collections.nCopies(AT_ONCE, new RegionWrite(PciRegion.BAR0, REGISTER, Integer.BYTES, 1));

    private final Settings settings;
    private final int rounds;
    private final int perRound;

    private WriteRates(Settings settings) {
        this.settings = settings;
        rounds = settings.quick() ? 7 : 21;
        perRound = settings.quick() ? 4_000 : 20_000;
    }

    /** One way to write. */
    private enum Way {
        WAITED("each waited for", 1) {
            @Override
            void write(VfioUserClient client) {
                client.writeInt(PciRegion.BAR0, REGISTER, 1);
            }
        },
        POSTED("posted", 1) {
            @Override
            void write(VfioUserClient client) {
                client.writeRegisterPosted(PciRegion.BAR0, REGISTER, Integer.BYTES, 1);
            }
        },
        MULTIPLE(AT_ONCE + " in one message, waited for", AT_ONCE) {
            @Override
            void write(VfioUserClient client) {
                client.writeMulti(WRITES);
            }
        },
        MULTIPLE_POSTED(AT_ONCE + " in one message, posted", AT_ONCE) {
            @Override
            void write(VfioUserClient client) {
                client.writeMultiPosted(WRITES);
            }
        };

        private final String label;
        private final int writes;

        Way(String label, int writes) {
            this.label = label;
            this.writes = writes;
        }

        abstract void write(VfioUserClient client);

        /** Writes per second. */
        double rate(VfioUserClient client, int count) {
            long start = System.nanoTime();
            int done = 0;
            for (; done < count; done += writes) {
                write(client);
            }
            client.readInt(PciRegion.BAR0, Messages.RSTAT);
            return done * 1e9 / (System.nanoTime() - start);
        }
    }

    /**
     * Prints one table.
     *
     * @param arguments see {@link Settings}
     */
    public static void main(String[] arguments) throws IOException {
        new WriteRates(Settings.parse(arguments)).run();
    }

    private void run() throws IOException {
        Map<Way, double[]> rates = measure();
        double[] waited = rates.getOrDefault(Way.WAITED, new double[0]);
        Table table = new Table("Trapped 4-byte writes, client library", "writes/s", "µs each", "ratio of rounds");
        rates.forEach((way, perSecond) -> {
            double[] ratios = new double[rounds];
            Arrays.setAll(ratios, round -> perSecond[round] / waited[round]);
            double median = Samples.median(perSecond);
            table.row(way.label, Table.number(median), Table.number(1e6 / median), Table.spread(ratios));
        });
        System.out.print(table);
        System.out.println(rounds + " rounds of " + perRound
                + " writes; ratio: to the writes waited for, median (lowest -" + " highest) of the rounds.");
    }

    private Map<Way, double[]> measure() throws IOException {
        Map<Way, double[]> rates = new EnumMap<>(Way.class);
        try (WorkFolder work = WorkFolder.create();
                Distribution distribution = Distribution.start(settings, work.path());
                VfioUserClient client = VfioUserClient.connect(distribution.socket(DEVICE))) {
            for (Way way : Way.values()) {
                way.rate(client, 3 * perRound);
                rates.put(way, new double[rounds]);
            }
            for (int round = 0; round < rounds; round++) {
                for (Map.Entry<Way, double[]> entry : rates.entrySet()) {
                    entry.getValue()[round] = entry.getKey().rate(client, perRound);
                }
            }
        }
        return rates;
    }
}
