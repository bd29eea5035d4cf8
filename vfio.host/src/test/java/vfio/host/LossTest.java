package vfio.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciDevice;

/** What becomes of an open function when the kernel wants it back, or reports an error. */
@Timeout(60)
class LossTest {
    private static final String ERR = "3.0";
    private static final String REQ = "4.0";

    @TempDir
    Path root;

    private final FakeKernel kernel = new FakeKernel();
    private final List<PciDevice> published = new CopyOnWriteArrayList<>();
    private final List<PciDevice> withdrawn = new CopyOnWriteArrayList<>();
    private FakeSysfs tree;
    private HostBus bus;
    private PciDevice function;

    @BeforeEach
    void open() {
        tree = FakeSysfs.usual(root);
        Sysfs sysfs = new Sysfs(root);
        bus = new HostBus(
                sysfs,
                new KernelOpener(
                        root.resolve("dev"), sysfs, kernel::open, new LockedMemory(root.resolve("limits")), true),
                this::publish,
                Runnable::run);
        bus.scan();
        function = known();
        function.open(null);
        assertThat(bus.isOpen(FakeSysfs.VF0)).isTrue();
    }

    @AfterEach
    void close() {
        bus.close();
        assertThat(kernel.open).isZero();
        kernel.registers.close();
    }

    @Test
    void whatTheKernelWantsBackIsClosedAndNotOfferedAgain() {
        kernel.events.get(REQ).signal();
        Awaitility.await().until(() -> withdrawn.contains(function) && kernel.open == 0);

        assertThat(published).doesNotContain(function);
        assertThat(bus.addresses()).doesNotContain(FakeSysfs.VF0);
        assertThatThrownBy(() -> function.open(null))
                .isInstanceOfSatisfying(
                        VfioException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENODEV));
        tree.noDriver(FakeSysfs.VF0);
        bus.refresh(FakeSysfs.VF0);
        assertThat(known()).isNotSameAs(function);
        assertThat(known().unassignableReason()).contains("bound to no driver; run vfio:bind 0000:01:10.0");
    }

    @Test
    void afterAnErrorItIsOfferedAnew() {
        kernel.events.get(ERR).signal();
        Awaitility.await()
                .until(() -> withdrawn.contains(function) && bus.addresses().contains(FakeSysfs.VF0));

        assertThat(known()).isNotSameAs(function);
        assertThat(bus.isOpen(FakeSysfs.VF0)).isFalse();
        known().open(null).close();
    }

    @Test
    void whatLosesItsDriverIsTakenFromItsUser() {
        tree.driver(FakeSysfs.VF0, "igbvf");
        bus.refresh(FakeSysfs.VF0);

        assertThat(withdrawn).contains(function);
        assertThat(kernel.open).isZero();
        assertThat(known().unassignableReason()).contains("bound to igbvf; run vfio:bind 0000:01:10.0");
    }

    @Test
    void oneUserAtATime() {
        assertThatThrownBy(() -> function.open(null))
                .isInstanceOfSatisfying(
                        VfioException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EBUSY));
    }

    private PciDevice known() {
        return published.stream()
                .filter(each -> each.address().equals(FakeSysfs.VF0))
                .findFirst()
                .orElseThrow();
    }

    private HostBus.Publication publish(PciDevice device) {
        published.add(device);
        return new HostBus.Publication() {
            @Override
            public void changed() {
                // The object says so itself.
            }

            @Override
            public void withdraw() {
                published.remove(device);
                withdrawn.add(device);
            }
        };
    }
}
