// A table of texts: one element for the server however many rows it has.
// A cell is a text, or { text, href, chip, title }.
export default {
  template: `
    <div class="pc-scroll" role="region" :aria-label="caption" tabindex="0">
      <table class="pc-table">
        <caption class="pc-hidden">{{ caption }}</caption>
        <thead><tr><th v-for="name in columns" :key="name" scope="col">{{ name }}</th></tr></thead>
        <tbody>
          <tr v-for="(row, i) in rows" :key="i">
            <td v-for="(cell, j) in row" :key="j">
              <a v-if="cell.href" :href="cell.href" :title="cell.title">{{ cell.text }}</a>
              <span v-else-if="cell.chip" :class="'pc-chip pc-' + cell.chip">{{ cell.text }}</span>
              <span v-else-if="cell.text !== undefined" :title="cell.title">{{ cell.text }}</span>
              <template v-else>{{ cell }}</template>
            </td>
          </tr>
        </tbody>
      </table>
      <p v-if="!rows.length" class="pc-quiet">{{ nothing }}</p>
    </div>`,
  props: { caption: String, columns: Array, rows: Array, nothing: String },
};
