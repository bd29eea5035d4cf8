package vfio.bench;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import vfio.linux.MappedMemory;
import vfio.user.client.VfioUserClient;

/**
 * How fast {@code vfio:migrate} brings a device with its client's memory to another runtime, against the same number of bytes over a
 * bare socket between two processes. A move is the whole command: the way to the shell, the logging of writes, the state, and the
 * start at the target; how long that takes for a device without memory is measured, too. All take turns.
 */
public final class StateStream {
    private static final String DEVICE = "0000:03:02.0";
    private static final String WITHOUT_MEMORY = "0000:03:02.1";
    private static final String DONE = "runs at";
    private static final long IOVA = 0x1_0000_0000L;
    private static final int PAGE = 4096;
    private static final int SIZE = 1 << 30;

    /** The bare stream has memory for so much, and sends it several times: the heap of a peer bounds what it may allocate. */
    private static final int PART = 256 << 20;

    private static final double GIBIBYTE = 1 << 30;

    /** As much as a message of the migration link. */
    private static final int CHUNK = 1 << 20;

    private final Settings settings;
    private final int rounds;

    private StateStream(Settings settings) {
        this.settings = settings;
        rounds = settings.quick() ? 11 : 31;
    }

    /** A device that nothing uses, with memory. */
    private record Machine(VfioUserClient client, MappedMemory memory) implements AutoCloseable {
        static Machine open(Path socket) {
            MappedMemory memory = MappedMemory.allocate("guest", SIZE);
            VfioUserClient client = VfioUserClient.connect(socket);
            client.dmaMap(IOVA, memory, true, true);
            return new Machine(client, memory);
        }

        /** Content that no other round has had. */
        void fill(int round) {
            ByteBuffer page = ByteBuffer.allocateDirect(PAGE);
            for (int offset = 0; offset < SIZE; offset += PAGE) {
                while (page.hasRemaining()) {
                    page.putLong((long) round << Integer.SIZE | offset + page.position());
                }
                memory.put(offset, page.flip());
                page.clear();
            }
        }

        boolean sameAs(Machine other) {
            ByteBuffer mine = ByteBuffer.allocateDirect(CHUNK);
            ByteBuffer theirs = ByteBuffer.allocateDirect(CHUNK);
            boolean same = true;
            for (int offset = 0; same && offset < SIZE; offset += CHUNK) {
                memory.get(offset, mine.clear());
                other.memory.get(offset, theirs.clear());
                same = mine.flip().equals(theirs.flip());
            }
            return same;
        }

        @Override
        public void close() {
            client.close();
            memory.close();
        }
    }

    /**
     * Prints one table.
     *
     * @param arguments see {@link Settings}
     */
    public static void main(String[] arguments) throws IOException {
        new StateStream(Settings.parse(arguments)).run();
    }

    private void run() throws IOException {
        double[] bare = new double[rounds];
        double[] move = new double[rounds];
        double[] without = new double[rounds];
        try (WorkFolder work = WorkFolder.create();
                Distribution here = Distribution.start(settings, Files.createDirectory(work.resolve("here")));
                Distribution there = Distribution.start(settings, Files.createDirectory(work.resolve("there")));
                JdkStream stream = JdkStream.start(settings, work.resolve("stream.sock"), PART, CHUNK);
                Machine source = Machine.open(here.socket(DEVICE));
                Machine target = Machine.open(there.socket(DEVICE));
                VfioUserClient bareSource = VfioUserClient.connect(here.socket(WITHOUT_MEMORY));
                VfioUserClient bareTarget = VfioUserClient.connect(there.socket(WITHOUT_MEMORY))) {
            for (int round = -rounds / 4; round < rounds; round++) {
                double bareRate = rate(copy(stream));
                source.client.reset();
                target.client.reset();
                source.fill(round);
                double moveRate = rate(move(here, DEVICE, there));
                if (!source.sameAs(target)) {
                    throw new IllegalStateException("the memory at the target is not that of the source");
                }
                bareSource.reset();
                bareTarget.reset();
                double rest = move(here, WITHOUT_MEMORY, there) / 1e6;
                if (round >= 0) {
                    bare[round] = bareRate;
                    move[round] = moveRate;
                    without[round] = rest;
                }
            }
        }
        Table table = new Table("Memory of " + (SIZE >> 20) + " MiB to another process", "GiB/s", "ratio of rounds");
        row(table, "bare, JDK SocketChannel at both ends", bare, bare);
        row(table, "vfio:migrate", move, bare);
        System.out.print(table);
        System.out.println(rounds + " rounds; median (lowest - highest). Pieces of " + (CHUNK >> 10) + " KiB in both.");
        System.out.println("A move without memory takes " + Table.spread(without) + " ms; that is in the above, too.");
    }

    private static long copy(JdkStream stream) throws IOException {
        long nanos = 0;
        for (long done = 0; done < SIZE; done += PART) {
            nanos += stream.copy();
        }
        return nanos;
    }

    private static long move(Distribution here, String device, Distribution there) throws IOException {
        String command = "vfio:migrate " + device + " " + there.migrationSocket();
        long start = System.nanoTime();
        String said = here.shell(command);
        long nanos = System.nanoTime() - start;
        if (!said.contains(DONE)) {
            throw new IllegalStateException("'" + command + "' printed: " + said);
        }
        return nanos;
    }

    private static double rate(long nanos) {
        return SIZE / GIBIBYTE * 1e9 / nanos;
    }

    private void row(Table table, String label, double[] perSecond, double[] reference) {
        double[] ratios = new double[rounds];
        Arrays.setAll(ratios, round -> perSecond[round] / reference[round]);
        table.row(label, Table.spread(perSecond), Table.spread(ratios));
    }
}
