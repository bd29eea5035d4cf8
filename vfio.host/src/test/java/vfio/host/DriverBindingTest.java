package vfio.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.AbstractThrowableAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/** What is written where to give a function to vfio-pci and back, and when nothing is. */
class DriverBindingTest {
    private static final String VF1 = "devices/pci0000:00/0000:01:10.2/";

    @TempDir
    Path root;

    @TempDir
    Path proc;

    private FakeSysfs tree;
    private DriverBinding binding;
    private Map<String, List<String>> addresses = Map.of();

    @BeforeEach
    void plant() {
        tree = FakeSysfs.usual(root);
        Sysfs sysfs = new Sysfs(root);
        binding = new DriverBinding(sysfs, new HostUse(sysfs, proc, name -> addresses.getOrDefault(name, List.of())));
    }

    @Test
    void bindingIsThreeLines() {
        List<String> steps = binding.bind(FakeSysfs.VF1, false, true);

        String devices = root + "/bus/pci/devices/0000:01:10.2";
        assertThat(steps)
                .containsExactly(
                        "echo 'vfio-pci' > " + devices + "/driver_override",
                        "echo '0000:01:10.2' > " + root + "/bus/pci/drivers/igbvf/unbind",
                        "echo '0000:01:10.2' > " + root + "/bus/pci/drivers_probe");
        assertThat(tree.written(VF1 + "driver_override")).isEqualTo("(null)");
        assertThat(tree.written("bus/pci/drivers_probe")).isEmpty();
    }

    @Test
    void aKernelThatDoesNotBindIsFoundOut() {
        refused(Errno.EIO, () -> binding.bind(FakeSysfs.VF1, false, false))
                .hasMessageContaining("bound to igbvf although");
        assertThat(tree.written(VF1 + "driver_override")).isEqualTo("vfio-pci");
        assertThat(tree.written("bus/pci/drivers/igbvf/unbind")).isEqualTo("0000:01:10.2");
        assertThat(tree.written("bus/pci/drivers_probe")).isEqualTo("0000:01:10.2");
    }

    @Test
    void theDriverBeforeComesBack() {
        refused(Errno.EIO, () -> binding.bind(FakeSysfs.VF1, false, false));
        tree.driver(FakeSysfs.VF1, "vfio-pci");
        assertThat(binding.unbind(FakeSysfs.VF1, true, false)).contains("0000:01:10.2 is bound to vfio-pci");
        assertThat(tree.written(VF1 + "driver_override")).isEmpty();
        assertThat(tree.written("bus/pci/drivers/vfio-pci/unbind")).isEqualTo("0000:01:10.2");
        assertThat(tree.written("bus/pci/drivers/igbvf/bind")).isEqualTo("0000:01:10.2");
    }

    @Test
    void whatWasBoundByOthersGoesToWhomTheKernelChooses() {
        assertThat(binding.unbind(FakeSysfs.VF0, true, true))
                .last()
                .isEqualTo("echo '0000:01:10.0' > " + root + "/bus/pci/drivers_probe");
        refused(Errno.EBUSY, () -> binding.unbind(FakeSysfs.VF0, false, false)).hasMessageContaining("--force");
        refused(Errno.EINVAL, () -> binding.unbind(FakeSysfs.VF1, true, false)).hasMessageContaining("bound to igbvf");
    }

    @Test
    void saysWhichNeighbourIsMissing() {
        tree.group(FakeSysfs.EDU, 8);
        assertThat(binding.bind(FakeSysfs.EDU, false, true))
                .last()
                .isEqualTo(
                        "its IOMMU group cannot be used yet: 0000:01:10.2 is bound to igbvf; run vfio:bind 0000:01:10.2");
        assertThat(binding.bind(FakeSysfs.VF0, false, true))
                .containsExactly("0000:01:10.0 is bound to vfio-pci already");
    }

    @Test
    void refusesWhatCannotBe() throws Exception {
        refused(Errno.EOPNOTSUPP, () -> binding.bind(FakeSysfs.BRIDGE, true, false))
                .hasMessageContaining("bridge");
        Files.delete(tree.device(FakeSysfs.EDU).resolve("iommu_group"));
        refused(Errno.EOPNOTSUPP, () -> binding.bind(FakeSysfs.EDU, true, false))
                .hasMessageContaining("intel_iommu=on");
        tree.remove(FakeSysfs.EDU);
        refused(Errno.ENODEV, () -> binding.bind(FakeSysfs.EDU, true, false));
        Files.delete(root.resolve("bus/pci/drivers/vfio-pci/bind"));
        Files.delete(root.resolve("bus/pci/drivers/vfio-pci/unbind"));
        Files.delete(root.resolve("bus/pci/drivers/vfio-pci"));
        refused(Errno.ENOENT, () -> binding.bind(FakeSysfs.VF1, true, false)).hasMessageContaining("modprobe vfio-pci");
    }

    @Test
    void anInterfaceInUseStays() {
        FakeSysfs.file(tree.device(FakeSysfs.VF1).resolve("net/eth7/flags"), "0x1003\n");
        assertThat(binding.bind(FakeSysfs.VF1, false, true)).hasSize(3);
        addresses = Map.of("eth7", List.of("192.0.2.7"));
        refused(Errno.EBUSY, () -> binding.bind(FakeSysfs.VF1, false, false))
                .hasMessageContaining("eth7 is up with 192.0.2.7");
        assertThat(tree.written(VF1 + "driver_override")).isEqualTo("(null)");
        assertThat(binding.bind(FakeSysfs.VF1, true, true)).hasSize(3);
        FakeSysfs.file(tree.device(FakeSysfs.VF1).resolve("net/eth7/flags"), "0x1002\n");
        assertThat(binding.bind(FakeSysfs.VF1, false, true)).hasSize(3);
    }

    @Test
    void aDiskInUseStays() {
        Path disk = tree.device(FakeSysfs.EDU).resolve("ata1/host0/target0/block/sda");
        FakeSysfs.file(disk.resolve("dev"), "8:0\n");
        FakeSysfs.file(disk.resolve("size"), "100\n");
        FakeSysfs.file(disk.resolve("sda1/dev"), "8:1\n");
        FakeSysfs.file(disk.resolve("sda1/size"), "50\n");
        FakeSysfs.file(disk.resolve("sda1/holders/dm-0/dev"), "253:0\n");
        FakeSysfs.file(proc.resolve("self/mountinfo"), "22 1 0:21 / /proc rw - proc proc rw\n");
        assertThat(binding.bind(FakeSysfs.EDU, false, true)).hasSize(2);

        for (String mounted : List.of(
                "8:1 / /srv rw - ext4 /dev/x rw",
                "253:0 / /srv rw - ext4 /dev/mapper/v rw",
                "0:40 / /srv rw shared:1 - btrfs /dev/sda1 rw")) {
            FakeSysfs.file(proc.resolve("self/mountinfo"), "30 1 " + mounted + "\n");
            refused(Errno.EBUSY, () -> binding.bind(FakeSysfs.EDU, false, true))
                    .hasMessageContaining("mounted at /srv");
        }
        FakeSysfs.file(proc.resolve("self/mountinfo"), "");
        FakeSysfs.file(proc.resolve("swaps"), "Filename Type\n/dev/sda1 partition 1 0 -2\n");
        refused(Errno.EBUSY, () -> binding.bind(FakeSysfs.EDU, false, true)).hasMessageContaining("swaps to");
    }

    @Test
    void virtualFunctionsAreMadeAnew() {
        assertThat(binding.setVirtualFunctions(FakeSysfs.PF, 2, open -> false))
                .containsExactly(FakeSysfs.VF0, FakeSysfs.VF1);
        binding.setVirtualFunctions(FakeSysfs.PF, 5, open -> false);
        assertThat(tree.written("devices/pci0000:00/0000:01:00.0/sriov_numvfs")).isEqualTo("5");
        refused(Errno.EINVAL, () -> binding.setVirtualFunctions(FakeSysfs.PF, 8, open -> false))
                .hasMessageContaining("0 to 7");
        refused(Errno.EINVAL, () -> binding.setVirtualFunctions(FakeSysfs.EDU, 1, open -> false))
                .hasMessageContaining("SR-IOV");
        refused(Errno.EBUSY, () -> binding.setVirtualFunctions(FakeSysfs.PF, 0, FakeSysfs.VF1::equals))
                .hasMessageContaining("0000:01:10.2 is in use");
    }

    private static AbstractThrowableAssert<?, ?> refused(Errno errno, ThrowingCallable call) {
        return assertThatThrownBy(call).isInstanceOfSatisfying(VfioException.class, e -> assertThat(e.errno())
                .isEqualTo(errno));
    }
}
