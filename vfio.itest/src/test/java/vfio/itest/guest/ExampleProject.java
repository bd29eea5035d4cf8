package vfio.itest.guest;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.JarInputStream;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Stream;

/**
 * The example of a vendor bundle, copied to a folder of its own and built there with Maven, as by somebody who has the
 * released API and nothing else of this project.
 *
 * <p>The repository it is built from is a folder of links to what the machine's own has, with the API beside them; so what
 * the machine has is used, settings included, and our artifacts do not get there.
 */
final class ExampleProject implements AutoCloseable {
    static final Path SOURCES = Places.beside("examples").resolve("mediate.example");

    private static final Duration BUILD = Duration.ofMinutes(5);
    private static final String GROUP = "vfio";

    private final Path folder;
    private final Path project;

    private ExampleProject(Path folder) {
        this.folder = folder;
        project = folder.resolve("project");
    }

    /** Builds it, and runs its tests. */
    static ExampleProject build() {
        try {
            ExampleProject example = new ExampleProject(Files.createTempDirectory("example"));
            boolean built = false;
            try {
                Files.createDirectory(example.project);
                Files.copy(SOURCES.resolve("pom.xml"), example.project.resolve("pom.xml"));
                Places.copy(SOURCES.resolve("src"), example.project.resolve("src"));
                Path repository = Files.createDirectory(example.folder.resolve("repository"));
                link(Path.of(System.getProperty("localRepository")), repository);
                release(repository.resolve(GROUP).resolve("mediate"), System.getProperty("project.version"));
                example.runMaven(repository);
                built = true;
                return example;
            } finally {
                if (!built) {
                    example.close();
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What it was built to. */
    Path jar() throws IOException {
        try (Stream<Path> files = Files.list(project.resolve("target"))) {
            return files.filter(file -> file.toString().endsWith(".jar"))
                    .findFirst()
                    .orElseThrow(() -> new AssertionError("the build made no jar"));
        }
    }

    /** The same with another version. */
    Path jar(String version) throws IOException {
        Path original = jar();
        Path changed = folder.resolve(version + ".jar");
        try (InputStream from = Files.newInputStream(original);
                JarInputStream in = new JarInputStream(from);
                OutputStream to = Files.newOutputStream(changed)) {
            Manifest manifest = in.getManifest();
            manifest.getMainAttributes().put(new Attributes.Name("Bundle-Version"), version);
            try (JarOutputStream out = new JarOutputStream(to, manifest)) {
                for (JarEntry entry = in.getNextJarEntry(); entry != null; entry = in.getNextJarEntry()) {
                    out.putNextEntry(new JarEntry(entry.getName()));
                    in.transferTo(out);
                }
            }
        }
        return changed;
    }

    /** A header of its manifest. */
    String header(String name) throws IOException {
        try (JarFile jar = new JarFile(jar().toFile())) {
            return Optional.ofNullable(jar.getManifest().getMainAttributes().getValue(name))
                    .orElse("");
        }
    }

    @Override
    public void close() {
        Places.remove(folder);
    }

    private void runMaven(Path repository) {
        Command.succeed(
                BUILD,
                List.of(
                        Path.of(System.getProperty("maven.home"), "bin", "mvn").toString(),
                        "--batch-mode",
                        "--no-transfer-progress",
                        "-Dstyle.color=never",
                        "-Dmaven.repo.local=" + repository,
                        "-Dvfio.version=" + System.getProperty("project.version"),
                        "--file=" + project.resolve("pom.xml"),
                        "package"));
    }

    private static void link(Path machine, Path repository) throws IOException {
        if (!Files.exists(machine)) {
            return;
        }
        try (Stream<Path> entries = Files.list(machine)) {
            for (Path entry : entries.toList()) {
                if (!entry.endsWith(GROUP)) {
                    Files.createSymbolicLink(repository.resolve(entry.getFileName()), entry);
                }
            }
        }
    }

    /** What a release consists of: the API, its tests jar, the library, and the parent of their poms. */
    private static void release(Path group, String version) throws IOException {
        Path parent = place(group, "vfio.mediate", version);
        Files.copy(Places.beside("pom.xml"), parent.resolve("vfio.mediate-" + version + ".pom"));
        release(group, "vfio.pci.api", version, ".jar", "-tests.jar");
        release(group, "migration.region", version, ".jar");
    }

    private static void release(Path group, String module, String version, String... suffixes) throws IOException {
        Path released = place(group, module, version);
        Path built = Places.beside(module);
        Files.copy(built.resolve("pom.xml"), released.resolve(module + "-" + version + ".pom"));
        for (String suffix : suffixes) {
            String file = module + "-" + version + suffix;
            Files.copy(built.resolve("target").resolve(file), released.resolve(file));
        }
    }

    private static Path place(Path group, String artifact, String version) throws IOException {
        return Files.createDirectories(group.resolve(artifact).resolve(version));
    }
}
