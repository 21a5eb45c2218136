// Checks what vencejo-audit writes with Go's sumdb/note and sumdb/tlog, which know nothing of it: signatures, roots, proofs and tiles.
//
//	gotlog VKEY DIR
//
// DIR holds tiles and `checkpoint` as `export --tiles` writes them, `proof-<index>` as `prove` does, and `consistency` lines of
// "old-size old-root size root hash…", roots and hashes in base64.
package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A checkpoint has three lines: origin, size, root.
func checkpoint(text []byte, key note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(text, note.VerifierList(key))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] != key.Name() {
		return tlog.Tree{}, errors.New("not three lines of this origin")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := hash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

func hash(text string) (tlog.Hash, error) {
	var hash tlog.Hash
	bytes, err := base64.StdEncoding.DecodeString(text)
	if err == nil && copy(hash[:], bytes) != len(bytes) || len(bytes) != len(hash) {
		err = fmt.Errorf("%q is no hash", text)
	}
	return hash, err
}

// tiles reads hashes of a tree of n leaves from C2SP tiles, 256 hashes wide.
type tiles struct {
	folder string
	n      int64
}

func (t tiles) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var found []tlog.Hash
	for _, index := range indexes {
		level, n := tlog.SplitStoredHashIndex(index)
		hash, err := t.node(level, n)
		if err != nil {
			return nil, err
		}
		found = append(found, hash)
	}
	return found, nil
}

// node is the root over 2^level leaves: in a tile, or over hashes of one.
func (t tiles) node(level int, n int64) (tlog.Hash, error) {
	if level%8 != 0 {
		left, err := t.node(level-1, 2*n)
		if err != nil {
			return left, err
		}
		right, err := t.node(level-1, 2*n+1)
		return tlog.NodeHash(left, right), err
	}
	var hash tlog.Hash
	bytes, err := t.tile(level/8, n/256)
	if err == nil && int64(len(bytes)) < (n%256+1)*32 {
		err = fmt.Errorf("tile %d of level %d is short", n/256, level/8)
	}
	if err == nil {
		copy(hash[:], bytes[n%256*32:])
	}
	return hash, err
}

func (t tiles) tile(level int, n int64) ([]byte, error) {
	name := fmt.Sprintf("%03d", n%1000)
	for rest := n / 1000; rest > 0; rest /= 1000 {
		name = fmt.Sprintf("x%03d/%s", rest%1000, name)
	}
	path := filepath.Join(t.folder, "tile", strconv.Itoa(level), name)
	if width := (t.n >> (8 * level)) - n*256; width < 256 {
		path += fmt.Sprintf(".p/%d", width)
	}
	return os.ReadFile(path)
}

func checkProof(path string, key note.Verifier, reader tiles) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, signed, _ := strings.Cut(string(text), "\n\n")
	tree, err := checkpoint([]byte(signed), key)
	if err != nil {
		return err
	}
	lines := strings.Split(head, "\n")
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := hash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	bundles := tiles{reader.folder, reader.n}
	leaf, err := bundles.node(0, index)
	if err != nil {
		return err
	}
	made, err := tlog.ProveRecord(tree.N, index, reader)
	if err != nil || fmt.Sprint(made) != fmt.Sprint(proof) {
		return fmt.Errorf("Go's proof is another one: %v", err)
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, leaf)
}

func checkConsistency(line string, reader tiles) error {
	fields := strings.Fields(line)
	sizes, hashes := []int64{}, []tlog.Hash{}
	for place, field := range fields {
		if place == 0 || place == 2 {
			size, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return err
			}
			sizes = append(sizes, size)
			continue
		}
		hash, err := hash(field)
		if err != nil {
			return err
		}
		hashes = append(hashes, hash)
	}
	return tlog.CheckTree(tlog.TreeProof(hashes[2:]), sizes[1], hashes[1], sizes[0], hashes[0])
}

func main() {
	log.SetFlags(0)
	key, err := note.NewVerifier(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	folder := os.Args[2]
	text, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		log.Fatal(err)
	}
	tree, err := checkpoint(text, key)
	if err != nil {
		log.Fatal("checkpoint: ", err)
	}
	reader := tiles{folder, tree.N}
	root, err := tlog.TreeHash(tree.N, reader)
	if err != nil || root != tree.Hash {
		log.Fatalf("the tiles' root is %v, the checkpoint's %v (%v)", root, tree.Hash, err)
	}
	proofs, _ := filepath.Glob(filepath.Join(folder, "proof-*"))
	for _, path := range proofs {
		if err := checkProof(path, key, reader); err != nil {
			log.Fatal(path, ": ", err)
		}
	}
	lines, _ := os.ReadFile(filepath.Join(folder, "consistency"))
	steps := strings.Split(strings.TrimSpace(string(lines)), "\n")
	for _, line := range steps {
		if err := checkConsistency(line, reader); err != nil {
			log.Fatal(line, ": ", err)
		}
	}
	fmt.Printf("a tree of %d entries, %d proofs, %d steps\n", tree.N, len(proofs), len(steps))
}
