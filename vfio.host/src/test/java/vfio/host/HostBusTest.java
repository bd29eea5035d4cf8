package vfio.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;

/** What becomes known of the functions in a device tree, and how it follows changes. */
class HostBusTest {
    @TempDir
    Path root;

    private FakeSysfs tree;
    private HostBus bus;
    private final Map<PciAddress, PciDevice> known = new TreeMap<>();
    private final List<String> events = new ArrayList<>();

    @BeforeEach
    void scan() {
        tree = FakeSysfs.usual(root);
        bus = new HostBus(
                new Sysfs(root),
                new KernelOpener(
                        root.resolve("dev"),
                        new Sysfs(root),
                        path -> {
                            throw new VfioException(Errno.ENODEV, "no kernel here");
                        },
                        new LockedMemory(root.resolve("limits")),
                        true),
                this::publish,
                Runnable::run);
        bus.scan();
    }

    @Test
    void describesWhatIsThere() {
        assertThat(known).containsOnlyKeys(FakeSysfs.BRIDGE, FakeSysfs.EDU, FakeSysfs.PF, FakeSysfs.VF0, FakeSysfs.VF1);
        PciDevice vf = known.get(FakeSysfs.VF1);
        assertThat(vf.ids().id()).isEqualTo("8086:10ca");
        assertThat(vf.ids().classCode()).isEqualTo(0x020000);
        assertThat(vf.backend()).isEqualTo("linux");
        assertThat(vf.physicalFunction()).contains(FakeSysfs.PF);
        assertThat(vf.virtualFunctionNumber()).isEqualTo(1);
        assertThat(vf.details()).containsEntry("IOMMU group", "8").containsEntry("kernel driver", "igbvf");
        assertThat(vf.openedThrough()).isEmpty();
        assertThat(known.get(FakeSysfs.VF0).openedThrough()).contains("group and container");
        assertThat(known.get(FakeSysfs.PF).details())
                .containsEntry("NUMA node", "1")
                .containsEntry("virtual functions", "2 of 7");
        assertThat(known.get(FakeSysfs.EDU).virtualFunctionNumber()).isEqualTo(-1);
        assertThat(known.get(FakeSysfs.EDU).details()).doesNotContainKey("NUMA node");
    }

    @Test
    void saysWhyAFunctionCannotBeAssigned() {
        assertThat(reason(FakeSysfs.VF0)).isEmpty();
        assertThat(reason(FakeSysfs.VF1)).contains("bound to igbvf; run vfio:bind 0000:01:10.2");
        assertThat(reason(FakeSysfs.EDU)).contains("bound to no driver; run vfio:bind 0000:00:06.0");
        assertThat(reason(FakeSysfs.BRIDGE).orElseThrow()).contains("bridge");
        PciAddress other = PciAddress.parse("0000:00:07.0");
        tree.function(other, "1234", "11e8", "00ff00").driver(other, "vfio-pci");
        bus.refresh(other);
        assertThat(reason(other).orElseThrow()).contains("no IOMMU group", "intel_iommu=on");
        assertThatThrownBy(() -> known.get(other).open(null)).hasMessageContaining("no IOMMU group");
    }

    @Test
    void aNeighbourInTheGroupBlocks() {
        tree.group(FakeSysfs.VF1, 7);
        bus.refresh(FakeSysfs.VF1);
        assertThat(reason(FakeSysfs.VF0).orElseThrow())
                .isEqualTo("0000:01:10.2 of the same IOMMU group is bound to igbvf; run vfio:bind 0000:01:10.2");
        tree.driver(FakeSysfs.VF1, "vfio-pci");
        bus.refresh(FakeSysfs.VF1);
        assertThat(reason(FakeSysfs.VF0)).isEmpty();
        assertThat(events).contains("changed 0000:01:10.0");
    }

    @Test
    void aVariantDriverOfVfioWillDo() {
        tree.driver(FakeSysfs.VF1, "mlx5_vfio_pci");
        FakeSysfs.folder(tree.device(FakeSysfs.VF1).resolve("vfio-dev/vfio0"));
        bus.refresh(FakeSysfs.VF1);
        assertThat(reason(FakeSysfs.VF1)).isEmpty();
    }

    @Test
    void followsDriversAndPresence() {
        PciDevice before = known.get(FakeSysfs.VF1);
        events.clear();
        bus.refresh(FakeSysfs.VF1);
        assertThat(events).isEmpty();
        tree.driver(FakeSysfs.VF1, "vfio-pci");
        bus.refresh(FakeSysfs.VF1);
        assertThat(events).containsExactly("changed 0000:01:10.2");
        assertThat(known.get(FakeSysfs.VF1)).isSameAs(before);
        assertThat(before.unassignableReason()).isEmpty();

        tree.remove(FakeSysfs.VF1);
        bus.refresh(FakeSysfs.VF1);
        assertThat(known).doesNotContainKey(FakeSysfs.VF1);
        assertThatThrownBy(() -> before.open(null))
                .isInstanceOfSatisfying(
                        VfioException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENODEV));
        tree.remove(FakeSysfs.VF0);
        bus.scan();
        assertThat(known).doesNotContainKey(FakeSysfs.VF0);
        bus.close();
        assertThat(known).isEmpty();
    }

    @Test
    void anEventSaysWhereToLook() {
        assertThat(UeventListener.address(
                        Map.of("ACTION", "bind", "SUBSYSTEM", "pci", "PCI_SLOT_NAME", "0000:01:10.2")))
                .isEqualTo(FakeSysfs.VF1);
        assertThat(UeventListener.address(Map.of("SUBSYSTEM", "net", "PCI_SLOT_NAME", "0000:01:10.2")))
                .isNull();
        assertThat(UeventListener.address(Map.of("SUBSYSTEM", "pci", "PCI_SLOT_NAME", "../..")))
                .isNull();
        assertThat(UeventListener.address(Map.of("SUBSYSTEM", "pci"))).isNull();
    }

    private Optional<String> reason(PciAddress address) {
        return known.get(address).unassignableReason();
    }

    private HostBus.Publication publish(PciDevice function) {
        known.put(function.address(), function);
        return new HostBus.Publication() {
            @Override
            public void changed() {
                events.add("changed " + function.address());
            }

            @Override
            public void withdraw() {
                known.remove(function.address());
            }
        };
    }
}
