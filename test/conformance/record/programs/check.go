// Checks a log with the Go project's own golang.org/x/mod/sumdb/note and tlog: the checkpoint's signature, every tile and
// entry against it, inclusion and consistency, and a proof as C2SP tlog-proof has it.
//
//	check LOG VKEY [OLD-CHECKPOINT [PROOF]]
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must(err error, what string) {
	if err != nil {
		fmt.Printf("not ok: %s: %v\n", what, err)
		os.Exit(1)
	}
}

func hashOf(text string) tlog.Hash {
	var hash tlog.Hash
	bytes, err := base64.StdEncoding.DecodeString(text)
	must(err, "a hash")
	copy(hash[:], bytes)
	return hash
}

// open is note.Open and then C2SP tlog-checkpoint's three lines.
func open(text []byte, vkey string) tlog.Tree {
	verifier, err := note.NewVerifier(vkey)
	must(err, "the vkey")
	opened, err := note.Open(text, note.VerifierList(verifier))
	must(err, "the checkpoint's signature")
	lines := strings.Split(opened.Text, "\n")
	if lines[0] != verifier.Name() {
		must(fmt.Errorf("%s", lines[0]), "the origin")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err, "the size")
	return tlog.Tree{N: size, Hash: hashOf(lines[2])}
}

// tiles reads C2SP paths: as the checksum database's, without the height.
type tiles struct{ folder string }

func path(tile tlog.Tile) string { return strings.Replace(tile.Path(), "tile/8/", "tile/", 1) }

func (t tiles) Height() int                         { return 8 }
func (t tiles) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		data, err := os.ReadFile(filepath.Join(t.folder, path(tile)))
		if err != nil {
			full := tile
			full.W = 256
			if data, err = os.ReadFile(filepath.Join(t.folder, path(full))); err == nil {
				data = data[:tile.W*32]
			}
		}
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

func entries(folder string, size int64) [][]byte {
	var all [][]byte
	for n := int64(0); n*256 < size; n++ {
		tile := tlog.Tile{H: 8, L: 0, N: n, W: 256}
		if size-n*256 < 256 {
			tile.W = int(size - n*256)
		}
		data, err := os.ReadFile(filepath.Join(folder, strings.Replace(path(tile), "tile/0/", "tile/entries/", 1)))
		must(err, "a bundle")
		for len(data) > 0 {
			length := int(binary.BigEndian.Uint16(data))
			all = append(all, data[2:2+length])
			data = data[2+length:]
		}
	}
	return all
}

func main() {
	folder, vkey := os.Args[1], os.Args[2]
	text, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	must(err, "the checkpoint")
	tree := open(text, vkey)
	reader := tlog.TileHashReader(tree, tiles{folder})
	all := entries(folder, tree.N)
	if int64(len(all)) != tree.N {
		must(fmt.Errorf("%d", len(all)), "the number of entries")
	}
	for i, entry := range all {
		hashes, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, int64(i))})
		must(err, "a tile")
		if hashes[0] != tlog.RecordHash(entry) {
			must(fmt.Errorf("%d", i), "the hash of entry")
		}
		if i%37 == 0 || i == len(all)-1 {
			proof, err := tlog.ProveRecord(tree.N, int64(i), reader)
			must(err, "an inclusion proof")
			must(tlog.CheckRecord(proof, tree.N, tree.Hash, int64(i), hashes[0]), "an inclusion proof")
		}
	}
	if len(os.Args) > 3 {
		text, err := os.ReadFile(os.Args[3])
		must(err, "the old checkpoint")
		old := open(text, os.Args[4])
		proof, err := tlog.ProveTree(tree.N, old.N, reader)
		must(err, "a consistency proof")
		must(tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash), "the consistency")
	}
	if len(os.Args) > 5 {
		text, err := os.ReadFile(os.Args[5])
		must(err, "the proof")
		parts := strings.SplitN(string(text), "\n\n", 2)
		lines := strings.Split(parts[0], "\n")
		entry, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
		must(err, "the entry")
		index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
		must(err, "the index")
		var proof tlog.RecordProof
		for _, line := range lines[3:] {
			proof = append(proof, hashOf(line))
		}
		under := open([]byte(parts[1]), vkey)
		must(tlog.CheckRecord(proof, under.N, under.Hash, index, tlog.RecordHash(entry)), "the proof")
	}
	fmt.Printf("ok: %d entries, root %s\n", tree.N, tree.Hash)
}
