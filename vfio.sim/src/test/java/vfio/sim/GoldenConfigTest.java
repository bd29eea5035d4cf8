package vfio.sim;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import vfio.pci.api.pci.PciRegion;

/**
 * Configuration space as after power-on, byte for byte. The dumps are in the form of {@code lspci -xxxx}: {@code lspci -F FILE
 * -vv} decodes them.
 */
class GoldenConfigTest {
    @TestFactory
    List<DynamicTest> configurationSpaceIsAsRecorded() {
        return List.of(
                golden("xl710-vf", Functions.vf()),
                golden("xl710-pf", Functions.pf()),
                golden("igd", new Igd(Functions.IGD_ADDRESS, new HeapMemory.Factory(), 0x5927, 1 << 20)),
                golden("edu", Functions.edu()));
    }

    private static DynamicTest golden(String name, DeviceModel function) {
        return DynamicTest.dynamicTest(name, () -> assertThat(dump(function)).isEqualTo(recorded(name + ".lspci")));
    }

    private static String recorded(String resource) {
        try (InputStream stream = GoldenConfigTest.class.getResourceAsStream(resource)) {
            return stream == null ? "" : new String(stream.readAllBytes(), StandardCharsets.US_ASCII);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String dump(DeviceModel function) {
        int size = (int) function.regionInfo(PciRegion.CONFIG).size();
        byte[] bytes = Accessor.config(function).readBytes(0, size);
        StringBuilder text =
                new StringBuilder(function.address() + " " + function.ids().id() + "\n");
        for (int line = 0; line < size; line += 16) {
            text.append(String.format("%02x:", line));
            for (int index = line; index < line + 16; index++) {
                text.append(String.format(" %02x", bytes[index]));
            }
            text.append('\n');
        }
        return text.toString();
    }
}
