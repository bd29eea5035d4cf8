package vfio.pci.repository;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JarFolderTest {
    @TempDir
    Path folder;

    @Test
    void aFolderThatIsNotThereIsEmpty() {
        assertThat(new JarFolder(null).jars()).isEmpty();
        assertThat(new JarFolder("").jars()).isEmpty();
        assertThat(new JarFolder(folder.resolve("absent").toString()).jars()).isEmpty();
    }

    @Test
    void jarsComeInTheOrderOfTheirNamesAndNothingElseDoes() throws Exception {
        BundleBuilder.named("b", "1").write(folder.resolve("b.jar"));
        BundleBuilder.named("a", "1").write(folder.resolve("a.jar"));
        Files.writeString(folder.resolve("README"), "text");
        Files.createDirectory(folder.resolve("c.jar"));

        assertThat(new JarFolder(folder.toString()).jars())
                .extracting(jar -> jar.file().getFileName().toString())
                .containsExactly("a.jar", "b.jar");
    }

    @Test
    void aFileIsReadOnceUntilItChanges() throws Exception {
        JarFolder jars = new JarFolder(folder.toString());
        Path file = BundleBuilder.named("a", "1.0.0").write(folder.resolve("a.jar"));
        BundleJar first = jars.jars().get(0);

        assertThat(jars.jars().get(0)).isSameAs(first);
        assertThat(jars.jar(file)).containsSame(first);
        BundleBuilder.named("a", "2.0.0").write(file);
        assertThat(jars.jar(file).orElseThrow().valid().version()).hasToString("2.0.0");
        Files.delete(file);
        assertThat(jars.jar(file)).isEmpty();
        assertThat(jars.jars()).isEmpty();
    }

    @Test
    void whatIsNoBundleSaysWhy() throws Exception {
        byte[] whole = BundleBuilder.named("a", "1").bytes();
        BundleBuilder.write(folder.resolve("1.jar"), new byte[0]);
        BundleBuilder.write(folder.resolve("2.jar"), Arrays.copyOf(whole, whole.length / 2));
        BundleBuilder.write(
                folder.resolve("3.jar"), "not a jar at all".repeat(100).getBytes(StandardCharsets.UTF_8));

        assertThat(new JarFolder(folder.toString()).jars()).allSatisfy(jar -> {
            assertThat(jar.manifest()).isNull();
            assertThatThrownBy(jar::valid).hasMessageStartingWith("it is no jar, is damaged, or is not complete yet (");
        });
    }

    @Test
    void damageBehindTheManifestIsFound() throws Exception {
        byte[] content = new byte[100_000];
        new Random(1).nextBytes(content);
        byte[] bytes = BundleBuilder.named("a", "1").entry("code", content).bytes();
        Path file = BundleBuilder.write(folder.resolve("a.jar"), bytes);
        JarFolder jars = new JarFolder(folder.toString());
        assertThatCode(jars.jar(file).orElseThrow()::verify).doesNotThrowAnyException();

        bytes[bytes.length / 2] ^= 0x10;
        BundleBuilder.write(file, bytes);

        BundleJar damaged = jars.jar(file).orElseThrow();
        assertThat(damaged.valid().symbolicName()).isEqualTo("a");
        assertThatThrownBy(damaged::verify)
                .isInstanceOf(InvalidBundleException.class)
                .hasMessageContaining("damaged");
    }
}
