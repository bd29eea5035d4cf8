package migration.region;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.zip.CRC32C;
import migration.region.SavedState.Origin;
import migration.region.SavedState.Section;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciIds;

class SavedStateTest {
    private static final PciIds IDS = new PciIds(0x8086, 0x154c, 0x8086, 0xfffe, 0x020000, 0xff);
    private static final Origin ORIGIN = new Origin(IDS, "i40e", 3, 4096);

    private static final int MAGIC = 8;
    private static final int RECORD_HEADER = 12;

    @Test
    void stateComesBackAsItWas() {
        Random random = new Random(5);
        for (int round = 0; round < 200; round++) {
            List<Section> sections = new ArrayList<>();
            for (int number = random.nextInt(6); number > 0; number--) {
                byte[] content = new byte[random.nextInt(300)];
                random.nextBytes(content);
                sections.add(new Section("part " + number + " ä", random.nextBoolean(), content));
            }
            assertSame(SavedState.decode(new SavedState(ORIGIN, sections).encode()), new SavedState(ORIGIN, sections));
        }
    }

    @Test
    void bytesAreAsSpecified() {
        ByteBuffer bytes = new SavedState(ORIGIN, List.of(new Section("q", true, new byte[] {7, 8}))).encode();
        ByteBuffer expected = ByteBuffer.allocate(200).order(ByteOrder.LITTLE_ENDIAN);
        expected.put("VFIOMIG\n".getBytes(StandardCharsets.US_ASCII));
        record(expected, 0, 1, hex("86804c158680feff" + "ff000002" + "03000000" + "00100000" + "69343065"));
        record(expected, 1, 1, hex("01" + "71" + "0708"));
        record(expected, -1, 1, new byte[0]);
        assertThat(bytes).isEqualTo(expected.flip());
    }

    @Test
    void everyFlippedBitIsFound() {
        ByteBuffer good = example();
        for (int bit = 0; bit < 8 * good.remaining(); bit++) {
            ByteBuffer bad = copy(good);
            bad.put(bit / 8, (byte) (bad.get(bit / 8) ^ 1 << bit % 8));
            assertWrong(bad, "");
        }
    }

    @Test
    void everyLengthButTheRightOneIsFound() {
        ByteBuffer good = example();
        for (int length = 0; length < good.remaining(); length++) {
            assertWrong(copy(good).limit(length), "");
        }
        ByteBuffer longer =
                ByteBuffer.allocate(good.remaining() + 1).put(copy(good)).rewind();
        assertWrong(longer, "1 bytes follow the end");
    }

    @Test
    void whatIsWrongIsNamed() {
        assertWrong(ByteBuffer.wrap(hex("7f454c4602010100")), "no saved state");
        ByteBuffer good = example();
        assertWrong(copy(good).limit(MAGIC), "cut off before its origin");
        assertWrong(copy(good).limit(MAGIC + RECORD_HEADER + 5), "cut off within its origin");
        int second = secondRecord(good);
        assertWrong(copy(good).limit(second), "cut off before section 1");
        ByteBuffer damaged = copy(good);
        damaged.put(second + RECORD_HEADER + 3, (byte) 99);
        assertWrong(damaged, "damaged in section 1");
    }

    @ParameterizedTest
    @CsvSource({"2,1,'section 2 comes where section 1'", "1,1,'section 1 comes where section 2'", "1,3,'section 3'"})
    void sectionsOutOfOrderAreFound(int first, int second, String sentence) {
        ByteBuffer bytes = begun(1);
        record(bytes, first, 0, hex("0161"));
        record(bytes, second, 0, hex("0162"));
        record(bytes, -1, 2, new byte[0]);
        assertWrong(bytes.flip(), sentence);
    }

    @Test
    void sectionOfSameNameIsFound() {
        ByteBuffer bytes = begun(1);
        record(bytes, 1, 0, hex("0161"));
        record(bytes, 2, 0, hex("0161"));
        record(bytes, -1, 2, new byte[0]);
        assertWrong(bytes.flip(), "section a comes twice");
    }

    @Test
    void wrongCountIsFound() {
        ByteBuffer bytes = begun(1);
        record(bytes, 1, 0, hex("0161"));
        record(bytes, -1, 2, new byte[0]);
        assertWrong(bytes.flip(), "ends with section 1, and should have 2");
    }

    @Test
    void unknownFormatFlagsAndNamesAreRefused() {
        assertWrong(begun(2).flip(), "version 2 of the format");
        assertWrong(with(1, 2, "0161"), "flags that are not known");
        assertWrong(with(1, 0, ""), "has 1 to 64 bytes, and this one 0");
        assertWrong(with(1, 0, "0561"), "longer than the section");
        assertWrong(with(1, 0, "01ff"), "no text");
        assertWrong(with(-1, 0, "00"), "the state ends with section 0");
    }

    @Test
    void whatIsTooLongIsNotWritten() {
        SavedState state =
                new SavedState(ORIGIN, List.of(new Section("all", false, new byte[SavedState.LENGTH_MAXIMUM])));
        assertThatThrownBy(state::encode).isInstanceOfSatisfying(VfioException.class, e -> assertThat(e.errno())
                .isEqualTo(Errno.EOVERFLOW));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "device,8086:154d",
                "driver,written by driver other",
                "schema,version 4 of the format of i40e",
                "page size,pages have 65536"
            })
    void otherOriginIsRefusedWithItsReason(String difference) {
        String[] parts = difference.split(",", -1);
        Origin other =
                switch (parts[0]) {
                    case "device" ->
                        new Origin(new PciIds(0x8086, 0x154d, 0x8086, 0xfffe, 0x020000, 0xff), "i40e", 3, 4096);
                    case "driver" -> new Origin(IDS, "other", 3, 4096);
                    case "schema" -> new Origin(IDS, "i40e", 4, 4096);
                    default -> new Origin(IDS, "i40e", 3, 65536);
                };
        assertThat(ORIGIN.objection(other))
                .hasValueSatisfying(reason -> assertThat(reason).contains(parts[1]));
    }

    @Test
    void sameOriginAndOlderSchemaAreAccepted() {
        assertThat(ORIGIN.objection(ORIGIN)).isEmpty();
        assertThat(ORIGIN.objection(new Origin(IDS, "i40e", 1, 4096))).isEmpty();
    }

    @Test
    void unknownSectionsArePassedOverIfTheyAreOptional() {
        SavedState state = new SavedState(
                ORIGIN, List.of(new Section("known", false, new byte[1]), new Section("extra", true, new byte[2])));
        state.requireKnown(Set.of("known"));
        assertThat(state.section("extra")).hasSize(2);
        assertThatThrownBy(() -> state.requireKnown(Set.of("extra"))).hasMessageContaining("section known");
        assertThatThrownBy(() -> state.section("none")).hasMessageContaining("no section none");
    }

    private static ByteBuffer example() {
        return new SavedState(
                        ORIGIN,
                        List.of(
                                new Section("config", false, new byte[] {1, 2, 3}),
                                new Section("queues", true, new byte[] {4})))
                .encode();
    }

    /** A stream with its origin, to which records can be added. */
    private static ByteBuffer begun(int format) {
        ByteBuffer bytes = ByteBuffer.allocate(500).order(ByteOrder.LITTLE_ENDIAN);
        bytes.put("VFIOMIG\n".getBytes(StandardCharsets.US_ASCII));
        record(bytes, 0, format, hex("86804c158680feff" + "ff000002" + "03000000" + "00100000" + "69343065"));
        return bytes;
    }

    /** A whole stream with one record besides. */
    private static ByteBuffer with(int number, int flags, String payload) {
        ByteBuffer bytes = begun(1);
        record(bytes, number, flags, hex(payload));
        record(bytes, -1, 1, new byte[0]);
        return bytes.flip();
    }

    private static void record(ByteBuffer bytes, int number, int flags, byte... payload) {
        int start = bytes.position();
        bytes.putInt(number).putInt(flags).putInt(payload.length).put(payload);
        CRC32C checksum = new CRC32C();
        checksum.update(bytes.duplicate().limit(bytes.position()).position(start));
        bytes.putInt((int) checksum.getValue());
    }

    private static int secondRecord(ByteBuffer bytes) {
        int length = bytes.duplicate().order(ByteOrder.LITTLE_ENDIAN).getInt(MAGIC + 8);
        return MAGIC + RECORD_HEADER + length + 4;
    }

    private static ByteBuffer copy(ByteBuffer bytes) {
        return ByteBuffer.allocate(bytes.remaining()).put(bytes.duplicate()).flip();
    }

    private static byte[] hex(String digits) {
        return HexFormat.of().parseHex(digits);
    }

    private static void assertSame(SavedState actual, SavedState expected) {
        assertThat(actual.origin()).isEqualTo(expected.origin());
        assertThat(actual.sections()).usingRecursiveComparison().isEqualTo(expected.sections());
    }

    private static void assertWrong(ByteBuffer bytes, String sentence) {
        assertThatThrownBy(() -> SavedState.decode(bytes))
                .isInstanceOfSatisfying(
                        VfioException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EPROTO))
                .hasMessageContaining(sentence);
    }
}
