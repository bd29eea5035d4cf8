package vfio.pci.repository;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.jar.Attributes;
import org.osgi.framework.Constants;
import org.osgi.framework.Version;
import org.osgi.resource.Namespace;
import vfio.pci.api.mediate.Mediates;
import vfio.pci.api.pci.PciIds;

/**
 * What the manifest of a bundle says, as far as it matters here.
 *
 * @param symbolicName its symbolic name
 * @param version its version
 * @param host symbolic name of the bundle that it is a fragment of; empty if it is none
 * @param offers the devices it says it can mediate
 * @param needs what it needs from others in order to resolve
 */
record BundleManifest(
        String symbolicName, Version version, Optional<String> host, List<Offer> offers, List<Need> needs) {
    private static final String SUPPORTED_VERSION = "2";

    BundleManifest {
        offers = List.copyOf(offers);
        needs = List.copyOf(needs);
    }

    /** Reads the main section of a manifest. */
    static BundleManifest of(Attributes headers) throws InvalidBundleException {
        List<Clause> name = clauses(headers, Constants.BUNDLE_SYMBOLICNAME);
        if (name.isEmpty()) {
            throw InvalidBundleException.noBundle(
                    "it is a plain jar, no bundle: its manifest has no " + Constants.BUNDLE_SYMBOLICNAME, null);
        }
        String manifestVersion = headers.getValue(Constants.BUNDLE_MANIFESTVERSION);
        if (manifestVersion == null || !manifestVersion.trim().equals(SUPPORTED_VERSION)) {
            throw InvalidBundleException.wrongManifest("its " + Constants.BUNDLE_MANIFESTVERSION + " is "
                    + (manifestVersion == null ? "missing" : manifestVersion) + " and must be " + SUPPORTED_VERSION);
        }
        List<Clause> host = clauses(headers, Constants.FRAGMENT_HOST);
        return new BundleManifest(
                name.get(0).paths().get(0),
                version(headers.getValue(Constants.BUNDLE_VERSION)),
                host.stream().map(clause -> clause.paths().get(0)).findFirst(),
                offers(clauses(headers, Constants.PROVIDE_CAPABILITY)),
                needs(headers));
    }

    boolean matches(PciIds ids) {
        return offers.stream().anyMatch(offer -> offer.matches(ids));
    }

    /** Symbolic name and version, for people. */
    String label() {
        return symbolicName + " " + version;
    }

    private static Version version(String text) throws InvalidBundleException {
        try {
            return Version.parseVersion(text);
        } catch (IllegalArgumentException e) {
            throw InvalidBundleException.wrongManifest(
                    "its " + Constants.BUNDLE_VERSION + " is '" + text + "', which is no version");
        }
    }

    private static List<Offer> offers(List<Clause> capabilities) throws InvalidBundleException {
        List<Offer> offers = new ArrayList<>();
        for (Clause capability : capabilities) {
            if (capability.paths().contains(Mediates.NAMESPACE)) {
                offers.add(Offer.of(capability));
            }
        }
        return offers;
    }

    /** Optional needs are left out, those that are not for resolving, and those that the bundle can satisfy itself. */
    private static List<Need> needs(Attributes headers) throws InvalidBundleException {
        Set<String> own = new HashSet<>();
        clauses(headers, Constants.EXPORT_PACKAGE).forEach(export -> own.addAll(export.paths()));
        Set<String> ownNamespaces = new HashSet<>();
        clauses(headers, Constants.PROVIDE_CAPABILITY).forEach(provided -> ownNamespaces.addAll(provided.paths()));
        List<Need> needs = new ArrayList<>();
        for (Clause wanted : clauses(headers, Constants.IMPORT_PACKAGE)) {
            for (String name : wanted.paths()) {
                if (!wanted.isOptional() && !own.contains(name)) {
                    needs.add(Need.ofPackage(name, wanted));
                }
            }
        }
        for (Clause wanted : clauses(headers, Constants.REQUIRE_BUNDLE)) {
            for (String name : wanted.paths()) {
                if (!wanted.isOptional()) {
                    needs.add(Need.ofBundle(name, wanted));
                }
            }
        }
        for (Clause wanted : clauses(headers, Constants.REQUIRE_CAPABILITY)) {
            for (String namespace : wanted.paths()) {
                if (!wanted.isOptional() && isForResolving(wanted) && !ownNamespaces.contains(namespace)) {
                    needs.add(Need.ofCapability(namespace, wanted));
                }
            }
        }
        return needs;
    }

    private static boolean isForResolving(Clause wanted) {
        return Namespace.EFFECTIVE_RESOLVE.equals(wanted.directives()
                .getOrDefault(Namespace.REQUIREMENT_EFFECTIVE_DIRECTIVE, Namespace.EFFECTIVE_RESOLVE));
    }

    private static List<Clause> clauses(Attributes headers, String name) throws InvalidBundleException {
        return HeaderParser.parse(name, headers.getValue(name));
    }
}
