package vfio.bench;

import java.io.IOException;
import java.time.Duration;
import java.util.function.BooleanSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import vfio.pci.api.manage.TrapStatus;
import vfio.pci.api.pci.PciRegion;
import vfio.user.client.ClientOptions;
import vfio.user.client.MappedRegions;
import vfio.user.client.VfioUserClient;

/**
 * What a register write costs mapped and trapped, and how long it takes from one to the other.
 *
 * <p>The graphics driver is what switches here: an access below its window has the window trapped, a trapped access inside it
 * ends that. So a switch is measured from the access that causes it to the moment at which the client has unmapped, or mapped,
 * the window and is about to acknowledge. How long it took from its signal to the acknowledgement is asked of the core.
 */
public final class DynamicTrap {
    private static final String DEVICE = "0000:00:02.0";

    /** A {@link TrapStatus}, printed as records are. */
    private static final String STATUS = "(vfio:trap " + DEVICE + " status) status";

    private static final Pattern LAST_SWITCH = Pattern.compile("switches=(\\d+), .*lastSwitch=(PT[0-9.]+S)]");

    /** Below the window, always trapped. */
    private static final long LOW = 0x2030;

    /** Inside the window. */
    private static final long WINDOW = 0x8000;

    private static final long PATIENCE_NANOS = 10_000_000_000L;

    private final Settings settings;
    private final int rounds;
    private final int mappedWrites;
    private final int trappedWrites;

    private DynamicTrap(Settings settings) {
        this.settings = settings;
        rounds = settings.quick() ? 50 : 300;
        mappedWrites = 200_000;
        trappedWrites = settings.quick() ? 200 : 1_000;
    }

    /**
     * Prints one table.
     *
     * @param arguments see {@link Settings}
     */
    public static void main(String[] arguments) throws IOException {
        new DynamicTrap(Settings.parse(arguments)).run();
    }

    private void run() throws IOException {
        Samples mapped = new Samples();
        Samples trapped = new Samples();
        Samples toTrapped = new Samples();
        Samples toMapped = new Samples();
        Samples trapAcknowledged = new Samples();
        Samples untrapAcknowledged = new Samples();
        try (WorkFolder work = WorkFolder.create();
                Distribution distribution = Distribution.start(settings, work.path());
                VfioUserClient client = VfioUserClient.connect(
                        distribution.socket(DEVICE), ClientOptions.DEFAULT.withDynamicTrap(true));
                MappedRegions regions = MappedRegions.open(client, PciRegion.BAR0)) {
            long switches = 0;
            for (int round = -rounds / 10; round < rounds; round++) {
                await(() -> regions.isMapped(PciRegion.BAR0, WINDOW));
                long perMappedWrite = perWrite(regions, WINDOW, mappedWrites);
                long trap = timeOf(
                        () -> regions.writeRegister(PciRegion.BAR0, LOW, Integer.BYTES, 1),
                        () -> !regions.isMapped(PciRegion.BAR0, WINDOW));
                long trapAcknowledgement = lastSwitch(distribution, ++switches);
                long perTrappedWrite = perWrite(regions, LOW, trappedWrites);
                long untrap = timeOf(
                        () -> regions.writeRegister(PciRegion.BAR0, WINDOW, Integer.BYTES, 1),
                        () -> regions.isMapped(PciRegion.BAR0, WINDOW));
                long untrapAcknowledgement = lastSwitch(distribution, ++switches);
                if (round >= 0) {
                    mapped.add(new long[] {perMappedWrite});
                    trapped.add(new long[] {perTrappedWrite});
                    toTrapped.add(new long[] {trap});
                    toMapped.add(new long[] {untrap});
                    trapAcknowledged.add(new long[] {trapAcknowledgement});
                    untrapAcknowledged.add(new long[] {untrapAcknowledgement});
                }
            }
        }
        Table table = new Table("Register of 4 bytes, client library", "p50 µs", "p99 µs", "p50 ratio");
        double reference = mapped.micros(0.5);
        row(table, "write, mapped", mapped, reference);
        row(table, "write, trapped, waited for", trapped, reference);
        row(table, "from the access that traps to unmapped", toTrapped, reference);
        row(table, "from the access that untraps to mapped", toMapped, reference);
        row(table, "trap, from signal to acknowledged", trapAcknowledged, reference);
        row(table, "untrap, from signal to acknowledged", untrapAcknowledged, reference);
        System.out.print(table);
        System.out.println(rounds + " rounds, each of " + mappedWrites + " mapped and " + trappedWrites
                + " trapped writes (means) and two switches.");
    }

    private static void row(Table table, String label, Samples samples, double reference) {
        double median = samples.micros(0.5);
        table.row(label, Table.number(median), Table.number(samples.micros(0.99)), Table.number(median / reference));
    }

    private static long perWrite(MappedRegions regions, long register, int count) {
        long start = System.nanoTime();
        for (int write = 0; write < count; write++) {
            regions.writeRegister(PciRegion.BAR0, register, Integer.BYTES, write);
        }
        return (System.nanoTime() - start) / count;
    }

    private static long timeOf(Runnable cause, BooleanSupplier effect) {
        long start = System.nanoTime();
        cause.run();
        await(effect);
        return System.nanoTime() - start;
    }

    /** How long that switch took, from the signal to the acknowledgement, in nanoseconds; waits for the latter. */
    private static long lastSwitch(Distribution distribution, long number) throws IOException {
        long start = System.nanoTime();
        while (System.nanoTime() - start < PATIENCE_NANOS) {
            String status = distribution.shell(STATUS);
            Matcher last = LAST_SWITCH.matcher(status);
            if (!last.find()) {
                throw new IllegalStateException("'" + STATUS + "' printed: " + status);
            }
            if (Long.parseLong(last.group(1)) == number) {
                return Duration.parse(last.group(2)).toNanos();
            }
        }
        throw new IllegalStateException("the core heard of no switch " + number + " within 10 s");
    }

    private static void await(BooleanSupplier condition) {
        long start = System.nanoTime();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() - start > PATIENCE_NANOS) {
                throw new IllegalStateException("the window was not switched within 10 s");
            }
            Thread.onSpinWait();
        }
    }
}
