package vfio.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import vfio.iavf.DriverOptions;
import vfio.iavf.QueueSettings;
import vfio.iavf.RegisterPath;
import vfio.iavf.VirtualFunctionDriver;
import vfio.user.client.VfioUserClient;

/** What the distribution takes of a CPU while 32 virtual functions are up and nothing happens. */
public final class IdleCpu {
    private static final int FUNCTIONS = 32;
    private static final String BUS = """
            {
              ":configurator:resource-version": 1,
              ":configurator:symbolic-name": "vfio.mediate.bus",
              ":configurator:version": "1.0.0",
              "vfio.sim.xl710~pf0": { "address": "0000:03:00.0", "vfs": 32 }
            }
            """;

    /** Of {@code /proc/PID/stat}, counted from behind the name: utime and stime, in hundredths of a second. */
    private static final int USER_TIME = 11;

    private static final int SYSTEM_TIME = 12;
    private static final double TICKS_PER_SECOND = 100;

    private final Settings settings;
    private final Duration settling;
    private final Duration window;
    private final int rounds;

    private IdleCpu(Settings settings) {
        this.settings = settings;
        settling = Duration.ofSeconds(settings.quick() ? 3 : 10);
        window = Duration.ofSeconds(settings.quick() ? 5 : 20);
        rounds = settings.quick() ? 3 : 5;
    }

    /** A function that is up. */
    private record Up(VfioUserClient client, VirtualFunctionDriver driver) implements AutoCloseable {
        static Up bring(Path socket, RegisterPath registers) {
            VfioUserClient client = VfioUserClient.connect(socket);
            client.reset();
            VirtualFunctionDriver driver = VirtualFunctionDriver.attach(
                    client,
                    DriverOptions.DEFAULT
                            .withRegisters(registers)
                            .withCanaries(false)
                            .withMemory(1L << 32, 16 << 20));
            int pairs = driver.probe().queuePairs();
            driver.open(QueueSettings.DEFAULT.withPairs(pairs).withRingSize(64));
            return new Up(client, driver);
        }

        @Override
        public void close() {
            driver.close();
            client.close();
        }
    }

    /**
     * Prints one table.
     *
     * @param arguments see {@link Settings}
     */
    public static void main(String[] arguments) throws IOException {
        new IdleCpu(Settings.parse(arguments)).run();
    }

    private void run() throws IOException {
        Table table = new Table(
                "Distribution with " + FUNCTIONS + " VFs, nothing happens", "% of a CPU", "of that the card's thread");
        try (WorkFolder work = WorkFolder.create();
                Distribution distribution = Distribution.start(
                        settings,
                        work.path(),
                        "--etc",
                        settings.configurationWithBus(work.resolve("etc"), BUS).toString())) {
            measure(table, "no client", distribution, null);
            measure(table, "all up, all pages trapped", distribution, RegisterPath.TRAPPED);
            measure(table, "all up, pages mapped", distribution, RegisterPath.MAPPED);
        }
        System.out.print(table);
        System.out.println(
                rounds + " times " + window.toSeconds() + " s; median (lowest - highest). The aim is less than 1 %.");
    }

    private void measure(Table table, String label, Distribution distribution, @Nullable RegisterPath registers)
            throws IOException {
        Deque<Up> up = new ArrayDeque<>();
        try {
            for (int function = 0; registers != null && function < FUNCTIONS; function++) {
                up.push(Up.bring(distribution.socket(address(function)), registers));
            }
            wait(settling);
            double[] percent = new double[rounds];
            double[] card = new double[rounds];
            for (int round = 0; round < rounds; round++) {
                ThreadFigures engine = ThreadFigures.of(distribution.pid(), "xl710 ");
                double before = cpuSeconds(distribution.pid());
                long start = System.nanoTime();
                wait(window);
                double seconds = (System.nanoTime() - start) / 1e9;
                percent[round] = 100 * (cpuSeconds(distribution.pid()) - before) / seconds;
                card[round] = ThreadFigures.of(distribution.pid(), "xl710 ")
                                .since(engine)
                                .cpuMillis()
                        / 10
                        / seconds;
            }
            table.row(label, Table.spread(percent), Table.spread(card));
        } finally {
            while (!up.isEmpty()) {
                up.pop().close();
            }
        }
    }

    private static String address(int function) {
        return String.format("0000:03:%02x.%x", 2 + function / 8, function % 8);
    }

    private static void wait(Duration duration) {
        long start = System.nanoTime();
        for (long left = duration.toNanos(); left > 0; left = duration.toNanos() - (System.nanoTime() - start)) {
            LockSupport.parkNanos(left);
        }
    }

    private static double cpuSeconds(long pid) throws IOException {
        String stat = Files.readString(Path.of("/proc", Long.toString(pid), "stat"));
        String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
        return (Long.parseLong(fields[USER_TIME]) + Long.parseLong(fields[SYSTEM_TIME])) / TICKS_PER_SECOND;
    }
}
