package vfio.pci.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.manage.ClientMemory;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.Mediation.Result;
import vfio.pci.api.pci.PciAddress;

/**
 * A healthy device with a driver of its own on the core that another one is in trouble on, in use until this is closed. Close
 * fails if the trouble was to be noticed.
 */
final class Neighbour implements AutoCloseable {
    /** Vendors may hold up what is theirs for longer: the wait for a call inside is the shortest that they can cause. */
    private static final Duration NOTICED = Setting.SHORT_LIMIT.dividedBy(4);

    private static final PciAddress ADDRESS = PciAddress.parse("0000:03:02.1");

    final MediatedDevice device;
    private final FakeHardware hardware = new FakeHardware();
    private final FakeMediation mediation = FakeMediation.accessing(access -> Result.DONE);
    private final Threads threads = new Threads();
    private final CountDownLatch begun = new CountDownLatch(1);
    private volatile boolean enough;
    private volatile Duration longest = Duration.ZERO;

    Neighbour(Setting setting) {
        setting.registered.add(Setting.mediator(
                1,
                0,
                "neighbour",
                context -> context.device().address().equals(ADDRESS)
                        ? Decision.accept(mediation)
                        : Decision.decline("not mine")));
        device = new MediatedDevice(
                new FakeFunction(ADDRESS, hardware),
                "neighbour",
                hardware,
                new DmaMap(ClientMemory.NONE),
                Set.of(),
                setting.core,
                closed -> {});
        device.pin();
        threads.start("neighbour", this::use);
    }

    private void use() {
        RegionAccess access = Setting.access(0, 0, 4);
        while (!enough) {
            long start = System.nanoTime();
            device.write(access);
            device.read(access);
            device.counters();
            Duration took = Duration.ofNanos(System.nanoTime() - start);
            longest = took.compareTo(longest) > 0 ? took : longest;
            begun.countDown();
        }
    }

    @Override
    public void close() throws InterruptedException {
        begun.await();
        enough = true;
        threads.close();
        assertThat(longest).as("longest that another device took to answer").isLessThan(NOTICED);
        assertThat(device.mediator()).contains("neighbour");
        assertThat(device.handOvers().count()).isZero();
        assertThat(mediation.reads).isEqualTo(mediation.writes).isPositive();
        device.close();
        assertThat(mediation.closed).hasValue(1);
    }
}
